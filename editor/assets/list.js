// A list is narrowed while one types and chooses. What is fetched is the page itself.
const form = document.querySelector('[data-live]')
let timer
let asked = 0

const show = async () => {
	const query = new URLSearchParams([...new FormData(form)].filter(([, v]) => v))
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
	history.replaceState(null, '', address)
	const list = document.querySelector('[data-list]')
	const fresh = page.querySelector('[data-list]')
	for (const el of [...list.children]) if (el !== form) el.remove()
	for (const el of [...fresh.children]) if (!el.matches('form')) list.append(el)
	document.querySelector('.head [role=status]').textContent = page.querySelector('.head [role=status]').textContent
}

form.addEventListener('input', e => {
	clearTimeout(timer)
	timer = setTimeout(show, e.target.type === 'search' ? 200 : 0)
})
form.addEventListener('submit', e => {
	e.preventDefault()
	show()
})
