// Unsaved work is kept in this browser from the first key on, for the account that did
// it, and offered again when the page is opened.

const age = 30 * 24 * 3600 * 1000

export const keep = (form, say, unsaved, told) => {
	const key = 'draft:' + form.dataset.account + ':' + new URL(form.action).pathname
	const write = () => {
		if (!unsaved()) return localStorage.removeItem(key)
		const at = new Date()
		const values = [...new FormData(form)].filter(([, v]) => typeof v === 'string')
		try {
			localStorage.setItem(key, JSON.stringify({ at: at.getTime(), base: form.base.value, values }))
			told(say('kept', at.toLocaleTimeString(document.documentElement.lang, { hour: '2-digit', minute: '2-digit' })))
		} catch {
			told(say('full')) // the browser has no room
		}
	}
	const saved = read(key)
	if (form.hasAttribute('data-saved')) {
		localStorage.removeItem(key)
		localStorage.removeItem(sessionStorage.getItem('sent')) // of a new entry, whose page is another one
		const address = new URL(location.href) // so that what is begun from here on is not taken for saved
		address.searchParams.delete('saved')
		history.replaceState(history.state, '', address)
	} else if (saved && !form.hasAttribute('data-posted')) offer(form, say, saved, key)
	let timer
	addEventListener('pagehide', () => timer && write())
	return {
		soon() {
			clearTimeout(timer)
			timer = setTimeout(() => {
				timer = 0
				write()
			}, 300)
		},
		sent() {
			write()
			sessionStorage.setItem('sent', key)
		},
	}
}

const read = key => {
	for (let i = localStorage.length - 1; i >= 0; i--) {
		const name = localStorage.key(i)
		if (!name.startsWith('draft:')) continue
		let at = 0
		try {
			at = JSON.parse(localStorage.getItem(name)).at
		} catch {
			// not ours
		}
		if (Date.now() - at > age) localStorage.removeItem(name)
	}
	try {
		return JSON.parse(localStorage.getItem(key))
	} catch {
		return null
	}
}

// Offer shows what can be done with work that was not saved. Taken up, it is sent through
// the service, which makes the page of it: a list may have other items than now.
const offer = (form, say, saved, key) => {
	const bar = document.createElement('div')
	bar.className = 'banner warn'
	bar.setAttribute('role', 'status')
	const text = document.createElement('span')
	text.className = 'grow'
	const when = new Date(saved.at).toLocaleString(document.documentElement.lang, { dateStyle: 'long', timeStyle: 'short' })
	text.textContent = say(saved.base === form.base.value ? 'found' : 'moved', when)
	const button = (label, does) => {
		const b = document.createElement('button')
		b.type = 'button'
		b.className = 'btn'
		b.textContent = say(label)
		b.addEventListener('click', does)
		return b
	}
	bar.append(text, button('restore', () => {
		const again = document.createElement('form')
		again.method = 'post'
		again.action = form.action
		const put = (name, value) => {
			const field = document.createElement('textarea')
			field.name = name
			field.value = value
			again.append(field)
		}
		for (const [name, value] of saved.values) if (name !== 'do') put(name, value)
		put('do', 'open')
		again.hidden = true
		document.body.append(again)
		again.submit()
	}), button('discard', () => {
		localStorage.removeItem(key)
		bar.remove()
	}))
	form.before(bar)
}
