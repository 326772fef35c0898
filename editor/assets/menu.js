// A menu closes on Escape, on a click elsewhere, and when another one opens.
const menus = () => document.querySelectorAll('details.menu[open]')

document.addEventListener('click', e => {
	for (const m of menus()) if (!m.contains(e.target)) m.open = false
})
document.addEventListener('keydown', e => {
	if (e.key !== 'Escape') return
	for (const m of menus()) {
		m.open = false
		m.querySelector('summary').focus()
	}
})
