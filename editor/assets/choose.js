// A file is chosen in a dialog with the media library, where one can be added as well.
import { library } from './library.js'
import { saying } from './words.js'

// Dialog opens one with a heading, and gives what close was called with; null where it
// was left.
export const dialog = (title, say, fill) => new Promise(resolve => {
	const box = document.createElement('dialog')
	box.className = 'sheet choosing'
	box.setAttribute('aria-labelledby', 'choosing-title')
	const head = document.createElement('div')
	head.className = 'row head'
	const h = document.createElement('h2')
	h.id = 'choosing-title'
	h.className = 'grow'
	h.textContent = title
	const leave = document.createElement('button')
	leave.type = 'button'
	leave.className = 'btn quiet'
	leave.textContent = say('dialog.close')
	leave.addEventListener('click', () => box.close())
	head.append(h, leave)
	const body = document.createElement('div')
	box.append(head, body)
	let given = null
	box.addEventListener('close', () => {
		box.remove()
		resolve(given)
	})
	document.body.append(box)
	box.showModal()
	fill(body, value => {
		given = value
		box.close()
	})
})

// Choose gives the file that was chosen, as its tile tells of it.
export const choose = (kind, say) => dialog(say(kind === 'image' ? 'choose.image' : 'choose.file'), say, async (body, close) => {
	body.textContent = say('choose.wait')
	let page
	try {
		const answer = await fetch('/editor/media/?choose=' + kind, { headers: { 'X-Part': '1' } })
		page = new DOMParser().parseFromString(await answer.text(), 'text/html')
	} catch {
		body.textContent = say('up.lost')
		return
	}
	const root = page.querySelector('[data-library]')
	if (!root) {
		body.replaceChildren(...page.body.childNodes) // the page says why
		return
	}
	body.replaceChildren(root)
	library(root, close)
	root.querySelector('[name=q]').focus()
})

document.addEventListener('click', async e => {
	const button = e.target.closest('[data-choose]')
	if (!button) return
	const input = button.closest('.row').querySelector('[data-media]')
	const file = await choose(input.dataset.media, saying(button.closest('[data-words]')))
	if (!file) return
	input.value = 'prefix' in input.dataset ? input.dataset.prefix + file.pick : file.address
	const thumb = button.closest('.row').querySelector('img')
	thumb.hidden = !file.image
	if (file.thumb) thumb.src = file.thumb
	input.dispatchEvent(new Event('input', { bubbles: true }))
	button.focus()
})
document.addEventListener('input', e => { // typed by hand, it may be another image
	if (!e.target.matches('[data-media]') || !e.isTrusted) return
	const thumb = e.target.closest('.row').querySelector('img')
	if (thumb) thumb.hidden = true
})
