// The form of an entry: what changed is marked and counted, lists are changed in place,
// and the preview follows the text.
import { addressed } from './address.js'
import { combobox } from './combobox.js'
import { drags } from './drag.js'
import { keep } from './draft.js'
import { suggested } from './find.js'
import { paged } from './page.js'
import { renewed } from './session.js'
import { keys, tools } from './tools.js'
import { watch } from './watch.js'
import { saying } from './words.js'

const form = document.querySelector('[data-entry]')
const say = saying(form)
const status = form.querySelector('[data-status]')

// What a field sends, now or as the page came: somebody may have typed before this ran.
const first = new Map()
const sent = (field, asCame) => {
	const all = []
	for (const el of field.querySelectorAll('input, textarea, select')) {
		if (!el.name || el.disabled) continue
		if ((el.type === 'checkbox' || el.type === 'radio') && !(asCame ? el.defaultChecked : el.checked)) continue
		const chosen = asCame && el.options && ([...el.options].find(o => o.defaultSelected) ?? el.options[0])
		all.push(el.name + '=' + (!asCame || el.type === 'checkbox' || el.type === 'radio' || el.type === 'hidden' ? el.value : chosen ? chosen.value : came(el)))
	}
	return all.join('\n')
}
// A time comes with seconds, which browsers leave out where they are none.
const came = el => {
	if (el.type !== 'datetime-local') return el.defaultValue
	const like = document.createElement('input')
	like.type = el.type
	like.step = el.step
	like.value = el.defaultValue
	return like.value
}
const fields = () => [...form.querySelectorAll('[data-field]')].filter(f => !f.parentElement.closest('[data-field]'))
const body = form.querySelector('#body')
for (const f of fields()) first.set(f.dataset.field, f.classList.contains('changed') ? null : sent(f, true))
const bodyFirst = body.classList.contains('changed') ? null : body.defaultValue
const bodyLength = body.defaultValue.length

const changed = new Set(fields().filter(f => f.classList.contains('changed')).map(f => f.dataset.field))
if (bodyFirst === null) changed.add('body')
const mark = (name, el, is) => {
	el.classList.toggle('changed', is)
	is ? changed.add(name) : changed.delete(name)
}
const check = field => mark(field.dataset.field, field, first.get(field.dataset.field) !== sent(field))
// A long text is compared when the typing rests: while it goes on, it counts as changed.
let resting
const checkBody = () => {
	mark('body', body, true)
	clearTimeout(resting)
	resting = setTimeout(() => {
		mark('body', body, body.value.length !== bodyLength || body.value !== bodyFirst)
		tell()
	}, 400)
}
let kept = ''
const tell = () => {
	if (!status) return
	status.textContent = changed.size === 0 ? '' : say(changed.size === 1 ? 'one' : 'other', changed.size) + (kept && ' · ' + kept)
}

const draft = keep(form, say, () => changed.size > 0, at => {
	kept = at
	tell()
})

form.addEventListener('input', e => {
	if (e.target === body) {
		checkBody()
		preview.soon()
	} else {
		const field = e.target.closest('[data-field]')
		const top = field && fields().find(f => f.contains(field))
		if (top) check(top)
	}
	tell()
	draft.soon()
})

// Lists: moved and removed here, but a new item comes from the service, which knows its
// fields.
form.addEventListener('click', async e => {
	const button = e.target.closest('button[name=do]')
	if (!button) return
	const list = button.closest('[data-items]')
	if (button.dataset.move) {
		e.preventDefault()
		move(list, button)
	} else if ('add' in button.dataset) {
		e.preventDefault()
		await add(list, button)
	} else return
	listed(list)
})
const listed = list => { // it has other items, or another order
	const top = fields().find(f => f.contains(list) || f.dataset.field === list.dataset.field)
	if (top) check(top)
	tell()
	draft.soon()
}
const grips = drags(form, item => {
	const list = item.closest('[data-items]')
	const were = names(list)
	return () => {
		renamed(list, were)
		listed(list)
	}
})

// What the buttons and the controls of items are called goes by their places.
const names = list => [...list.querySelector('.items').children].map(item => ({
	buttons: [...item.querySelectorAll(':scope > .moves > button')].map(b => b.getAttribute('aria-label')),
	label: item.querySelector(':scope > .grow > label')?.textContent,
}))

const move = (list, button) => {
	const were = names(list)
	const item = button.closest('[data-item]')
	let focus = button
	if (button.dataset.move === 'up' && item.previousElementSibling) item.previousElementSibling.before(item)
	if (button.dataset.move === 'down' && item.nextElementSibling) item.nextElementSibling.after(item)
	if (button.dataset.move === 'remove') {
		const near = item.nextElementSibling || item.previousElementSibling
		item.remove()
		focus = near ? near.querySelector(':scope > .moves > [data-move=remove]') : list.querySelector(':scope > [data-add]')
	}
	renamed(list, were)
	if (focus.disabled) focus = focus.parentElement.querySelector('button:not([disabled])')
	focus.focus()
}

const renamed = (list, were) => {
	order(list)
	;[...list.querySelector('.items').children].forEach((item, i) => {
		const buttons = item.querySelectorAll(':scope > .moves > button')
		buttons.forEach((b, j) => b.setAttribute('aria-label', were[i].buttons[j]))
		const label = item.querySelector(':scope > .grow > label')
		if (label) label.textContent = were[i].label
	})
}

const order = list => {
	const items = [...list.querySelector('.items').children]
	items.forEach((item, i) => {
		const own = item.querySelector(':scope > .moves')
		own.querySelector('[data-move=up]').disabled = i === 0
		own.querySelector('[data-move=down]').disabled = i === items.length - 1
	})
}

const add = async (list, button) => {
	const data = new URLSearchParams(new FormData(form))
	data.set('do', button.value)
	let fresh
	try {
		if (!(await renewed())) return
		const answer = await fetch(form.action, { method: 'POST', body: data, headers: { 'X-Part': '1' } })
		const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
		fresh = page.getElementById(list.id)
	} catch {
		kept = say('offline')
		return
	}
	if (!fresh) return form.requestSubmit(button) // the page says why
	const old = list.querySelector('.items')
	const item = fresh.querySelector('.items').lastElementChild
	old.append(item)
	grips(item)
	order(list)
	const control = item.querySelector('input:not([type=hidden]), textarea, select, summary')
	control.focus()
}

// A reference is found by the title of what it refers to.
function refer(input) {
	if (input.readOnly) return
	combobox(input, text => suggested(text, input.dataset.reference), one => {
		input.value = one.value
		input.dispatchEvent(new Event('input', { bubbles: true }))
	})
}

// The preview follows when the typing rests. One is asked for at a time.
const fetched = async text => {
	try {
		const answer = await fetch('/editor/preview', { method: 'POST', body: new URLSearchParams({ body: text }), headers: { 'X-Part': '1' } })
		if (!answer.ok) return null
		return [...new DOMParser().parseFromString(await answer.text(), 'text/html').body.childNodes]
	} catch {
		return null // without a connection it stays as it is
	}
}
// A text as a page of the site is in a frame, where nothing runs.
const frame = form.querySelector('[data-look]')
async function look() {
	try {
		const answer = await fetch('/editor/look', { method: 'POST', body: new URLSearchParams({ body: body.value }), headers: { 'X-Part': '1' } })
		if (!answer.ok) return
		frame.srcdoc = await answer.text()
		frame.hidden = false
		beside.hidden = true
	} catch {
		// without a connection it stays as it is
	}
}
const beside = form.querySelector('[data-preview]')
const preview = {
	timer: 0,
	soon() {
		if (mode === 'page') return
		clearTimeout(this.timer)
		this.timer = setTimeout(() => this.show(), 500)
	},
	async show() {
		if (this.busy) return this.soon()
		this.busy = true
		if (frame) await look()
		else {
			const fresh = await fetched(body.value)
			if (fresh) beside.replaceChildren(...fresh)
		}
		this.busy = false
	},
}

// Two ways into the text: the page as it will look, and its source.
const bar = form.querySelector('[data-tools]')
const box = form.querySelector('[data-page]')
let mode = 'source'
let current = null // the text that the toolbar acts on
if (!body.readOnly) {
	const page = paged(box, body, fetched, say, area => {
		current = area
		if (area) keys(area)
	})
	tools(bar, () => (mode === 'page' ? current : body), say)
	keys(body)
	const switches = {}
	const into = async name => {
		const was = mode
		if (was === 'page') page.close()
		mode = name
		for (const [n, b] of Object.entries(switches)) b.setAttribute('aria-pressed', n === name)
		box.hidden = name !== 'page'
		body.hidden = name === 'page'
		form.querySelector('[data-preview-box]').hidden = name === 'page'
		localStorage.setItem('text', name)
		if (name === 'page') await page.draw()
		else if (was === 'page' || frame) preview.show()
	}
	const modes = document.createElement('div')
	modes.setAttribute('role', 'group')
	modes.className = 'modes'
	for (const name of ['page', 'source']) {
		const b = (switches[name] = document.createElement('button'))
		b.type = 'button'
		b.className = 'btn quiet'
		b.textContent = say(name)
		b.addEventListener('click', () => into(name))
		modes.append(b)
	}
	bar.append(modes)
	into(localStorage.getItem('text') || 'page')
}
for (const input of form.querySelectorAll('[data-reference]')) refer(input)
if (form.dataset.watch) watch(form)
addressed(form, say)

document.addEventListener('keydown', e => {
	if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 's') {
		e.preventDefault()
		form.querySelector('.save button.primary')?.click()
	}
})

// What is sent twice is made once.
let sending = false
form.addEventListener('submit', e => {
	if (sending) e.preventDefault()
	sending = true
	draft.sent()
})
addEventListener('pageshow', () => (sending = false))

for (const area of form.querySelectorAll('.field textarea[data-markdown]')) if (!area.readOnly) keys(area)
for (const f of fields()) check(f)
if (bodyFirst !== null) mark('body', body, body.value !== bodyFirst)
tell()
if (changed.size > 0) draft.soon()
