// Images in a Markdown text: each is asked for its alternative text, or whether it only
// decorates.
import { choose, dialog } from './choose.js'
import { put, beside, tidy } from './upload.js'
import { type } from './tools.js'

// Escaped is a text that Markdown, and the site's generator before it, take as it is.
const escaped = text => text.replace(/\s+/g, ' ').trim().replace(/[\\`*_[\]{}]|<(?=[a-z/!?])|&(?=#?\w+;)/gi, '\\$&')

// Markdown is an image as it is written. An empty alternative may only have been
// forgotten; so that of one that decorates is written out.
const markdown = (address, alt) => (alt === '' ? `<img src="${address}" alt="">` : `![${escaped(alt)}](${address})`)

const ask = (file, say) => dialog(say('alt.title'), say, (body, close) => {
	const form = document.createElement('form')
	form.className = 'pad'
	form.noValidate = true
	const image = document.createElement('img')
	image.className = 'whole'
	image.alt = ''
	if (file.image) image.src = file.image
	const label = document.createElement('label')
	label.textContent = say('alt.text')
	const hint = document.createElement('p')
	hint.className = 'hint soft small'
	hint.id = 'alt-hint'
	hint.textContent = say('alt.hint')
	const input = document.createElement('input')
	input.name = 'alt'
	input.id = 'alt'
	label.htmlFor = 'alt'
	input.setAttribute('aria-describedby', 'alt-hint alt-fault')
	const only = document.createElement('label')
	const box = document.createElement('input')
	box.type = 'checkbox'
	box.name = 'decorative'
	only.append(box, ' ' + say('alt.decorative'))
	const fault = document.createElement('p')
	fault.className = 'fault'
	fault.id = 'alt-fault'
	fault.setAttribute('role', 'alert')
	const button = document.createElement('button')
	button.className = 'btn primary'
	button.textContent = say('alt.insert')
	const field = document.createElement('div')
	field.className = 'field'
	field.append(label, hint, input, only)
	form.append(image, field, fault, button)
	body.append(form)
	box.addEventListener('change', () => {
		input.disabled = box.checked
		fault.textContent = ''
	})
	form.addEventListener('submit', e => {
		e.preventDefault()
		if (box.checked) return close('')
		if (input.value.trim()) return close(input.value)
		fault.textContent = say('alt.missing')
		input.setAttribute('aria-invalid', 'true')
		input.focus()
	})
	input.focus()
})

// Place puts an image where the cursor was.
const place = async (area, say, file, from, to) => {
	const alt = await ask(file, say)
	area.focus()
	area.setSelectionRange(from, to)
	if (alt !== null) type(area, markdown(file.address, alt))
}

// Insert has an image chosen or added, and puts it at the cursor.
export const insert = async (area, say) => {
	const { selectionStart: from, selectionEnd: to } = area
	const file = await choose('image', say)
	if (file) return place(area, say, file, from, to)
	area.focus()
	area.setSelectionRange(from, to)
}

// Bring uploads images that were pasted or dropped, and places one after another.
export const bring = async (area, say, files) => {
	const told = teller(area)
	for (const file of files) {
		const { selectionStart: from, selectionEnd: to } = area
		let name = tidy(file.name)
		if (/^image\.\w+$/.test(name)) name = name.replace('.', '-' + new Date().toISOString().replace(/[-:T]|\..*/g, '') + '.')
		told.textContent = say('up.sends', name)
		let made
		for (let tries = 0; tries < 20; tries++) {
			made = await put('', name, file, { choose: 'image' })
			if (!made.taken) break
			name = beside(name)
		}
		const tile = made.tile?.querySelector('[data-pick]')
		told.textContent = tile ? '' : name + ' ' + (made.text ?? say('up.lost'))
		if (tile) await place(area, say, tile.dataset, from, to)
	}
}

const teller = area => {
	let told = area.parentElement.querySelector('[data-told]')
	if (!told) {
		told = document.createElement('p')
		told.dataset.told = ''
		told.className = 'pad small told'
		told.setAttribute('role', 'status')
		area.before(told)
	}
	return told
}
