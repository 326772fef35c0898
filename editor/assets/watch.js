// What happens to the entry meanwhile: who else has it open, whether it is on the site,
// and that somebody has changed it. Nothing is asked while the page is out of sight.
import { missed } from './session.js'

export const watch = form => {
	const others = document.querySelector('[data-others]')
	const state = document.querySelector('[data-state]')
	let source
	let moved = ''
	const tell = e => {
		const is = JSON.parse(e.data)
		others.replaceChildren(...[...is.others, ...(is.moved ? [is.moved] : [])].map(text => {
			const el = document.createElement('div')
			el.className = 'banner warn'
			el.textContent = text
			return el
		}))
		moved = is.moved || moved
		if (!is.state) return state.replaceChildren()
		let chip = state.querySelector('.chip')
		if (!chip) state.replaceChildren((chip = document.createElement('span')))
		chip.className = 'chip ' + is.kind
		if (chip.textContent !== is.state) chip.textContent = is.state
	}
	const follow = () => {
		source?.close()
		source = null
		if (document.visibilityState !== 'visible') return
		source = new EventSource(form.dataset.watch)
		source.addEventListener('message', tell)
		source.addEventListener('error', () => source?.readyState === EventSource.CLOSED && missed())
	}
	document.addEventListener('visibilitychange', follow)
	document.addEventListener('cms:back', follow)
	addEventListener('pagehide', () => source?.close())
	addEventListener('pageshow', e => e.persisted && follow())
	follow()
}
