// The media library on its page or in a dialog: it is searched while one types, and files
// that were added appear in it.
import { uploads } from './upload.js'
import { saying } from './words.js'

// Library makes one work. Picked is told the file that is chosen, where one is.
export const library = (root, picked) => {
	let asked = 0
	let timer
	const show = async (address, whole) => {
		const mine = ++asked
		let answer
		try {
			answer = await fetch(address, { headers: { 'X-Part': '1' } })
		} catch {
			return // without a connection it stays as it is
		}
		if (mine !== asked || !answer.ok) return
		const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
		const fresh = page.querySelector('[data-library]')
		if (!fresh) return
		const part = whole ? '[data-files]' : '[data-found]'
		root.querySelector(part).replaceWith(fresh.querySelector(part))
		const total = document.querySelector('[data-total]')
		if (!picked && total) total.textContent = page.querySelector('[data-total]').textContent
		if (!picked) history.replaceState(null, '', address)
		const form = root.querySelector('[data-upload]')
		if (whole && form) form.elements.folder.value = fresh.dataset.folder
		if (whole) root.querySelector('[data-search] [name=q]').focus()
	}
	const search = form => {
		const query = new URLSearchParams([...new FormData(form)].filter(([, v]) => v))
		show(form.getAttribute('action') + (query.size ? '?' + query : ''))
	}
	root.addEventListener('input', e => {
		const form = e.target.closest('[data-search]')
		if (!form) return
		clearTimeout(timer)
		timer = setTimeout(() => search(form), 200)
	})
	root.addEventListener('submit', e => {
		if (!e.target.matches('[data-search]')) return
		e.preventDefault()
		clearTimeout(timer)
		search(e.target)
	})
	root.addEventListener('click', e => {
		const pick = e.target.closest('[data-pick]')
		if (pick && picked) return picked(pick.dataset)
		const go = e.target.closest('[data-go], [data-crumbs] a')
		if (!go || !picked || e.ctrlKey || e.metaKey || e.shiftKey) return
		e.preventDefault()
		const to = new URL(go.href)
		to.searchParams.set('choose', root.dataset.choosing)
		show(to.pathname + to.search, true)
	})
	uploads(root, saying(root), (tile, of) => {
		const one = tile.querySelector('[data-pick]')
		if (picked && of === 1 && one) return picked(one.dataset)
		let tiles = root.querySelector('[data-tiles]')
		if (!tiles) {
			tiles = document.createElement('ul')
			tiles.className = 'grid'
			tiles.dataset.tiles = ''
			root.querySelector('[data-found]').replaceChildren(tiles)
		}
		tile.classList.add('fresh')
		tiles.prepend(tile)
		if (!picked) count()
	})
}

// Count shows how many files there are now.
let counting
const count = () => {
	clearTimeout(counting)
	counting = setTimeout(async () => {
		const answer = await fetch(location.href, { headers: { 'X-Part': '1' } }).catch(() => null)
		const now = answer?.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-total]')
		if (now) document.querySelector('[data-total]').textContent = now.textContent
	}, 300)
}

const page = document.querySelector('main [data-library]')
if (page) library(page)
