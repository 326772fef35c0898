// The session of these pages. One that is over is begun anew in a dialog, where a form is
// sent, so that what was being written goes on; and the tabs of a browser tell each other
// who comes and goes.
import { forget } from './draft.js'

const { account = '', other, gone, renew: again } = document.body.dataset
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('cms') : null

// Who is logged in: an account, '' for nobody, null where nobody can tell.
const who = async () => {
	try {
		const answer = await fetch('/editor/session', { headers: { 'X-Part': '1' } })
		if (answer.status === 401) return ''
		return answer.ok ? (await answer.json()).account : null
	} catch {
		return null
	}
}

// Renewed gives true once the account of this page is logged in, false where somebody would
// rather not. Without a connection there is nothing to ask, and the browser says so.
let asking = null
export const renewed = () => (asking ??= (async () => {
	const now = await who()
	return now === null || now === account || ask()
})().finally(() => (asking = null)))

let open = null // closes the dialog
const ask = () => new Promise(resolve => {
	const focus = document.activeElement
	const box = document.createElement('dialog')
	box.className = 'sheet pad'
	box.setAttribute('aria-labelledby', 'renew-title')
	let is = false
	open = () => {
		is = true
		box.close()
	}
	box.addEventListener('close', () => {
		open = null
		box.remove()
		if (focus?.isConnected) focus.focus()
		if (is) back()
		resolve(is)
	})
	const show = async answer => {
		const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
		box.replaceChildren(...page.body.childNodes)
		;(box.querySelector('[role=alert]') ?? box.querySelector('input:not([type=hidden])') ?? box.querySelector('a, button')).focus()
	}
	box.addEventListener('click', e => e.target.matches('[data-later]') && box.close())
	box.addEventListener('submit', async e => {
		e.preventDefault()
		try {
			const answer = await fetch(e.target.action, { method: 'POST', body: new URLSearchParams(new FormData(e.target)), headers: { 'X-Part': '1' } })
			if (!answer.headers.get('Content-Type').startsWith('application/json')) return await show(answer)
			const now = (await answer.json()).account
			tabs?.postMessage({ account: now })
			if (now === account) return open?.()
			await show(await fetch('/editor/login?renew', { headers: { 'X-Part': '1' } }))
			say(box.querySelector('.renew > p'), other)
		} catch {
			// without a connection it stays as it is
		}
	})
	document.body.append(box)
	box.showModal()
	fetch('/editor/login?renew', { headers: { 'X-Part': '1' } }).then(show, () => box.close())
})
const say = (before, text) => {
	const told = document.createElement('div')
	told.className = 'banner bad'
	told.setAttribute('role', 'alert')
	told.textContent = text
	before.after(told)
}

// Missed says that nobody is logged in any more, and nothing else: whoever is writing goes
// on.
const place = document.querySelector('[data-session]')
export const missed = async () => {
	if (!account || place.firstChild) return
	const now = await who()
	if (now === null || now === account || place.firstChild) return
	const bar = document.createElement('div')
	bar.className = 'banner warn'
	const text = document.createElement('span')
	text.className = 'grow'
	text.textContent = now ? other : gone
	const button = document.createElement('button')
	button.type = 'button'
	button.className = 'btn'
	button.textContent = again
	button.addEventListener('click', renewed)
	bar.append(text, button)
	place.append(bar)
}
const back = () => {
	place?.replaceChildren()
	document.dispatchEvent(new Event('cms:back'))
}

// What is sent is sent by who made it. The form waits until that is so.
const sent = new WeakSet()
const waiting = new WeakSet()
addEventListener('submit', async e => {
	const form = e.target
	if (!account || form.method !== 'post' || form.closest('dialog') || form.matches('[data-leave], .languages')) return
	if (sent.delete(form)) return
	e.preventDefault()
	e.stopImmediatePropagation()
	if (waiting.has(form)) return
	waiting.add(form)
	const is = await renewed()
	waiting.delete(form)
	if (!is) return
	sent.add(form)
	form.requestSubmit(e.submitter)
	sent.delete(form) // where the browser finds it incomplete
}, true)

// Who logs out takes along what this browser has kept of their work, in every tab.
const leave = () => {
	forget(account)
	document.dispatchEvent(new Event('cms:left'))
}
document.addEventListener('submit', e => {
	if (!e.target.matches('[data-leave]')) return
	leave()
	tabs?.postMessage({ left: account })
})
tabs?.addEventListener('message', e => {
	if (account && e.data.left === account) leave()
	else if (account && e.data.account === account) open ? open() : back()
	else if ('account' in e.data) missed()
})
tabs?.postMessage({ account })
