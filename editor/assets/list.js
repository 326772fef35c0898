// A list is narrowed while one types and chooses, and entries are chosen in it. What is
// fetched is the page itself.
const form = document.querySelector('[data-live]')
let timer
let asked = 0

const show = async () => {
	const query = new URLSearchParams([...new FormData(form)].filter(([, v]) => v))
	if (!new URLSearchParams(location.search).has('col')) query.delete('col') // they are remembered
	const address = location.pathname + (query.size ? '?' + query : '')
	const mine = ++asked
	let answer
	try {
		answer = await fetch(address, { headers: { 'X-Part': '1' } })
	} catch {
		return // without a connection the list stays as it is
	}
	if (mine !== asked) return
	if (!answer.ok) return location.assign(address) // the page says why
	const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
	const fresh = page.querySelector('[data-results]')
	if (!fresh || mine !== asked) return
	history.replaceState(null, '', address)
	document.querySelector('[data-results]').replaceWith(fresh)
	document.querySelector('.head [role=status]').textContent = page.querySelector('.head [role=status]').textContent
	chosen()
}

form.addEventListener('input', e => {
	clearTimeout(timer)
	timer = setTimeout(show, e.target.matches('[type=checkbox], select') ? 0 : 200)
})
form.addEventListener('submit', e => {
	e.preventDefault()
	clearTimeout(timer)
	show()
})

// The values that a field has are offered, and fetched when they are wanted.
form.addEventListener('focusin', async e => {
	const address = e.target.dataset.values
	if (!address || e.target.list) return
	try {
		const answer = await fetch(address, { headers: { 'X-Part': '1' } })
		const list = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('datalist')
		if (!answer.ok || !list) return
		list.id = 'values-' + e.target.name
		e.target.after(list)
		e.target.setAttribute('list', list.id)
	} catch {
		// without a connection it is typed
	}
})

// The bar below says how many are chosen, and is there while some are.
const boxes = () => [...document.querySelectorAll('[data-select] [name=entry]')]
const chosen = () => {
	const bar = document.querySelector('[data-bulk]')
	if (!bar) return
	const all = bar.querySelector('[name=all]')
	const n = boxes().filter(b => b.checked).length
	bar.hidden = n === 0
	if (all && n === 0) all.checked = false
	bar.querySelector('[data-chosen]').textContent = n ? (n === 1 ? bar.dataset.single : bar.dataset.several).replace('%d', n) : ''
	const every = document.querySelector('[data-pick-all]')
	every.checked = n > 0 && n === boxes().length
	every.indeterminate = n > 0 && !every.checked
}
let last = null
document.addEventListener('change', e => {
	if (e.target.matches('[data-pick-all]')) for (const b of boxes()) b.checked = e.target.checked
	if (e.target.matches('[data-pick-all], [name=entry]')) chosen()
})
document.addEventListener('click', e => { // with Shift, all from the last one on
	if (!e.target.matches('[data-select] [name=entry]')) return
	const all = boxes()
	const [from, to] = [all.indexOf(last), all.indexOf(e.target)]
	if (e.shiftKey && from >= 0) for (const b of all.slice(Math.min(from, to), Math.max(from, to) + 1)) b.checked = e.target.checked
	last = e.target
	chosen()
})
addEventListener('pageshow', chosen) // a browser that goes back has them ticked
chosen()
