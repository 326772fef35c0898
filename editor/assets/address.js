// The address that a new page will have, shown while its title is typed: the service makes
// it, as only that knows which are taken.
export const addressed = (form, say) => {
	const input = form.querySelector('[data-address]')
	if (!input) return
	const shown = form.querySelector('[data-made]')
	let timer
	let asked = 0
	const ask = async () => {
		const mine = ++asked
		if (input.value.trim()) return (shown.textContent = '')
		const data = new URLSearchParams(new FormData(form))
		data.delete('body')
		data.set('do', 'address')
		try {
			const answer = await fetch(form.action, { method: 'POST', body: data, headers: { 'X-Part': '1' } })
			if (!answer.ok || mine !== asked) return
			const { slug } = await answer.json()
			shown.textContent = slug && say('made', slug)
		} catch {
			// without a connection it is shown later
		}
	}
	form.addEventListener('input', e => {
		if (!e.target.closest('[data-field]') && e.target !== input) return // the text has no part in it
		clearTimeout(timer)
		timer = setTimeout(ask, 300)
	})
	ask()
}
