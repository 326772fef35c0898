// Unsaved work is kept in this browser from the first key on, for the account that did it,
// and offered again when the page is opened. Each page that is opened keeps a draft of its
// own, so that none takes the place of one that is still on offer.

const age = 30 * 24 * 3600 * 1000
const begin = account => 'draft:' + account + ':'

// Forget drops what is kept for an account.
export const forget = account => {
	for (const name of Object.keys(localStorage)) if (name.startsWith(begin(account))) localStorage.removeItem(name)
}

export const keep = (form, say, unsaved, told) => {
	const of = begin(form.elements.account.value) + new URL(form.action).pathname + ' '
	const key = of + Math.random().toString(36).slice(2)
	let left = false
	let timer
	const write = () => {
		if (left) return
		if (!unsaved()) {
			localStorage.removeItem(key)
			return follow()
		}
		const at = new Date()
		const values = [...new FormData(form)].filter(([, v]) => typeof v === 'string')
		try {
			localStorage.setItem(key, JSON.stringify({ at: at.getTime(), base: form.base.value, values }))
			told(say('kept', at.toLocaleTimeString(document.documentElement.lang, { hour: '2-digit', minute: '2-digit' })))
		} catch {
			return told(say('full')) // the browser has no room
		}
		follow()
	}
	const follow = () => { // a form that came back has all of what was sent
		if (!form.hasAttribute('data-posted')) return
		drop('taken')
		drop('sent')
	}
	if (form.hasAttribute('data-saved')) {
		drop('sent')
		drop('taken')
		const address = new URL(location.href) // so that what is begun from here on is not taken for saved
		address.searchParams.delete('saved')
		history.replaceState(history.state, '', address)
	}
	if (!form.hasAttribute('data-posted')) {
		sessionStorage.removeItem('taken')
		offer(form, say, of)
	}
	document.addEventListener('cms:left', () => {
		left = true
		clearTimeout(timer)
	})
	document.addEventListener('cms:back', () => (left = false))
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

// Drop drops the draft that was noted for this tab.
const drop = what => {
	const key = sessionStorage.getItem(what)
	if (key) localStorage.removeItem(key)
	sessionStorage.removeItem(what)
}

// Found are the drafts whose keys begin so, the newest first; what is too old goes.
const found = of => {
	const all = []
	for (const key of Object.keys(localStorage)) {
		if (!key.startsWith('draft:')) continue
		let draft = null
		try {
			draft = JSON.parse(localStorage.getItem(key))
		} catch {
			// not ours
		}
		if (!(Date.now() - draft?.at < age)) localStorage.removeItem(key)
		else if (key.startsWith(of)) all.push({ key, ...draft })
	}
	return all.sort((a, b) => b.at - a.at)
}

// Offer shows what can be done with work that was not saved. First the service says what of
// it the account may still see, and nothing else is kept.
const offer = async (form, say, of) => {
	for (const saved of found(of)) {
		let answer
		try {
			answer = await fetch(form.action, { method: 'POST', body: body(saved.values, 'check'), headers: { 'X-Part': '1' } })
			if (answer.status === 403 || answer.status === 404) localStorage.removeItem(saved.key)
			if (!answer.ok) continue
			const may = new Set((await answer.json()).names)
			saved.values = saved.values.filter(([name]) => may.has(name))
		} catch {
			continue
		}
		const { key, ...draft } = saved
		if (!localStorage.getItem(key)) continue // somebody has logged out, or discarded it in another tab
		localStorage.setItem(key, JSON.stringify(draft))
		form.before(bar(form, say, saved))
	}
}

const body = (values, does) => new URLSearchParams([...values.filter(([name]) => name !== 'do'), ['do', does]])

// Taken up, a draft is sent through the service, which makes the page of it: a list may have
// other items than now.
const bar = (form, say, saved) => {
	const bar = document.createElement('div')
	bar.className = 'banner warn'
	bar.setAttribute('role', 'status')
	const text = document.createElement('span')
	text.className = 'grow'
	const when = new Date(saved.at).toLocaleString(document.documentElement.lang, { dateStyle: 'long', timeStyle: 'short' })
	const since = 'source' in form.dataset ? say('behind', when) : say('moved', when)
	text.textContent = saved.base === form.base.value ? say('found', when) : since
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
		for (const [name, value] of body(saved.values, 'open')) {
			const field = document.createElement('textarea')
			field.name = name
			field.value = value
			again.append(field)
		}
		again.hidden = true
		document.body.append(again)
		sessionStorage.setItem('taken', saved.key)
		again.requestSubmit()
	}), button('discard', () => {
		localStorage.removeItem(saved.key)
		bar.remove()
	}))
	return bar
}
