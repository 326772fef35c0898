// The page as it will look, edited passage by passage. Each block knows where it stands in
// the text, and nothing but its part of the text is replaced.

// paged shows the text of body as blocks in box. Fetched gives them for a text.
export const paged = (box, body, fetched, say, target) => {
	let text = ''
	let open = null // the block that is edited: {el, start, end, area}

	const blocks = () => [...box.querySelectorAll(':scope > .block')]
	const kind = el => say('kind.' + el.dataset.block)

	const draw = async focus => {
		const now = body.value
		const fresh = await fetched(now)
		if (!fresh || open || now !== body.value) return
		text = now
		box.replaceChildren(...fresh)
		for (const a of box.querySelectorAll('a.edit')) a.remove()
		const all = blocks()
		all.forEach((el, i) => {
			el.prepend(press('open', say('edit') + ' · ' + kind(el), () => edit(el)))
			el.append(press('insert', say('add'), () => insert(i + 1)))
		})
		if (all.length === 0) box.append(press('insert', say('add'), () => insert(0)))
		if (focus !== undefined) all[Math.min(focus, all.length - 1)]?.querySelector('.open').focus()
	}

	const press = (name, label, does) => {
		const b = document.createElement('button')
		b.type = 'button'
		b.className = name
		b.textContent = label
		b.addEventListener('click', e => {
			e.stopPropagation()
			does()
		})
		return b
	}

	const edit = el => {
		if (open) close()
		const [start, end] = [+el.dataset.start, +el.dataset.end]
		begin(el, start, end, text.slice(start, end), blocks().indexOf(el))
	}

	const insert = i => {
		if (open) close()
		const all = blocks()
		const at = i > 0 ? +all[i - 1].dataset.end : 0
		const el = document.createElement('div')
		el.className = 'block'
		el.dataset.block = 'paragraph'
		i > 0 ? all[i - 1].after(el) : box.prepend(el)
		begin(el, at, at, '', i)
	}

	const begin = (el, start, end, source, index) => {
		const area = document.createElement('textarea')
		area.className = 'code'
		area.dataset.markdown = ''
		area.value = source
		area.rows = Math.max(2, source.split('\n').length + Math.floor(source.length / 80))
		area.setAttribute('aria-label', say('close'))
		const hint = document.createElement('p')
		hint.className = 'small soft'
		hint.textContent = say('close')
		el.replaceChildren(hint, area)
		el.classList.add('editing')
		open = { el, start, end, area, index, fresh: start === end }
		area.addEventListener('input', () => {
			if (open?.area !== area) { // closed, but not drawn anew: there was no connection
				open = { el, start: +el.dataset.start, end: +el.dataset.end, area, index, fresh: false }
				target(area)
			}
			type()
		})
		area.addEventListener('keydown', e => {
			const beside = e.key === 'ArrowDown' && area.selectionStart === area.value.length ? 1 : e.key === 'ArrowUp' && area.selectionEnd === 0 ? -1 : 0
			if (e.key === 'Escape') close(index)
			else if (beside) close(Math.max(0, index + beside), true)
			else return
			e.preventDefault()
		})
		area.addEventListener('blur', e => {
			const to = e.relatedTarget
			if (open?.area === area && !(to && to.closest('[data-tools], dialog'))) close()
		})
		target(area)
		area.focus()
	}

	// What is typed goes into the text at the first key and when the typing rests: to put it
	// there takes work that grows with the text.
	let typing = 0
	const type = () => {
		const first = !open.typed
		open.typed = true
		clearTimeout(typing)
		if (first) put(open.area.value)
		else typing = setTimeout(settle, 300)
	}
	const settle = () => {
		clearTimeout(typing)
		if (typing && open) put(open.area.value)
		typing = 0
	}
	body.form.addEventListener('formdata', e => {
		settle()
		e.formData.set(body.name, body.value)
	})

	// put has the text say what the open block says.
	const put = value => {
		let is = value
		if (open.fresh && value) {
			const before = text.slice(0, open.start)
			const after = text.slice(open.end)
			is = (before && !before.endsWith('\n\n') ? (before.endsWith('\n') ? '\n' : '\n\n') : '') + value + (after && !after.startsWith('\n\n') ? (after.startsWith('\n') ? '\n' : '\n\n') : after ? '' : '\n')
		}
		body.value = text.slice(0, open.start) + is + text.slice(open.end)
		body.dispatchEvent(new Event('input', { bubbles: true }))
	}

	const close = async (focus, edit_) => {
		settle()
		const was = open
		if (!was) return
		open = null
		target(null)
		// Until the blocks are drawn anew, they stand where they do by now.
		const by = body.value.length - text.length
		for (const b of blocks()) {
			if (b === was.el || +b.dataset.start < was.end) continue
			b.dataset.start = +b.dataset.start + by
			b.dataset.end = +b.dataset.end + by
		}
		was.el.dataset.start = was.start
		was.el.dataset.end = was.end + by
		text = body.value
		await draw(focus)
		if (edit_) {
			const el = blocks()[focus]
			if (el) edit(el)
		}
	}

	box.addEventListener('click', e => {
		const el = e.target.closest('.block')
		if (!el || el === open?.el || e.target.closest('a, button, iframe, video, audio') || getSelection().toString()) return
		edit(el)
	})
	box.addEventListener('keydown', e => {
		const el = e.target.closest('.block')
		if (!el || el.classList.contains('editing')) return
		if (e.key === 'F2') {
			e.preventDefault()
			return edit(el)
		}
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
		const next = step && blocks()[blocks().indexOf(el) + step]
		if (next) {
			e.preventDefault()
			next.querySelector('.open').focus()
		}
	})
	return { draw, close: () => close() }
}
