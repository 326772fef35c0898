// Ctrl+K finds any entry and any command; other keys lead where "?" says, unless they are
// switched off.
import { combobox } from './combobox.js'

const input = document.querySelector('[data-find]')
const dialog = document.querySelector('[data-keys]')

export const suggested = async (text, collection) => {
	if (!text.trim()) return []
	const query = new URLSearchParams({ q: text })
	if (collection) query.set('in', collection)
	try {
		const answer = await fetch('/editor/find?' + query)
		return answer.ok ? await answer.json() : []
	} catch {
		return []
	}
}

if (input) {
	combobox(input, text => suggested(text), one => (location.href = one.path))
	document.addEventListener('keydown', e => {
		if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k') {
			e.preventDefault()
			input.focus()
			input.select()
		}
	})
}

// Keys without Ctrl are for who is not writing (WCAG 2.1.4).
if (dialog) {
	const off = dialog.querySelector('input[type=checkbox]')
	off.checked = localStorage.getItem('keys') !== 'off'
	off.addEventListener('change', () => localStorage.setItem('keys', off.checked ? 'on' : 'off'))
	document.addEventListener('keydown', e => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, [contenteditable]')) return
		if (localStorage.getItem('keys') === 'off') return
		if (e.key === '?') dialog.showModal()
		else if (e.key === '/') input.focus()
		else return
		e.preventDefault()
	})
	for (const b of document.querySelectorAll('[data-show-keys]')) b.addEventListener('click', () => dialog.showModal())
}
