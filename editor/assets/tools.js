// A toolbar over a text in Markdown. It types into the text, so that undo works.

const kinds = {
	bold: t => wrap(t, '**'),
	italic: t => wrap(t, '*'),
	heading: t => prefix(t, '## '),
	list: t => prefix(t, '- '),
	numbers: t => prefix(t, '1. '),
	quote: t => prefix(t, '> '),
	link: t => link(t),
	image: (t, say) => import('./image.js').then(m => m.insert(t, say)),
}

// tools fills a bar with buttons that act on the text that of gives.
export const tools = (bar, of, say) => {
	const box = document.createElement('div')
	box.setAttribute('role', 'toolbar')
	box.setAttribute('aria-label', say('tools'))
	for (const name of Object.keys(kinds)) {
		const b = document.createElement('button')
		b.type = 'button'
		b.className = 'btn quiet'
		b.textContent = say('tool.' + name)
		b.tabIndex = box.childElementCount ? -1 : 0
		b.addEventListener('click', () => {
			const area = of()
			if (!area) return
			area.focus()
			kinds[name](area, say)
		})
		box.append(b)
	}
	box.addEventListener('keydown', e => {
		const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
		if (!step) return
		const all = [...box.children]
		const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length]
		for (const b of all) b.tabIndex = b === next ? 0 : -1
		next.focus()
		e.preventDefault()
	})
	bar.append(box)
}

// keys are what one types with Ctrl in a text in Markdown.
export const keys = area => area.addEventListener('keydown', e => {
	if (!(e.ctrlKey || e.metaKey) || e.altKey) return
	const name = { b: 'bold', i: 'italic' }[e.key.toLowerCase()]
	if (!name) return
	e.preventDefault()
	kinds[name](area)
})

// type puts a text in the place of what is selected, as if it was typed.
export const type = (area, text) => {
	if (!document.execCommand('insertText', false, text)) {
		area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end')
		area.dispatchEvent(new Event('input', { bubbles: true }))
	}
}

const wrap = (area, mark) => {
	const { selectionStart: from, selectionEnd: to } = area
	const text = area.value.slice(from, to)
	if (text.startsWith(mark) && text.endsWith(mark) && text.length > 2 * mark.length) return type(area, text.slice(mark.length, -mark.length))
	type(area, mark + text + mark)
	if (!text) area.setSelectionRange(from + mark.length, from + mark.length)
}

const prefix = (area, mark) => {
	const from = area.value.lastIndexOf('\n', area.selectionStart - 1) + 1
	let to = area.value.indexOf('\n', area.selectionEnd)
	if (to < 0) to = area.value.length
	const lines = area.value.slice(from, to).split('\n')
	const has = lines.every(l => l.startsWith(mark))
	area.setSelectionRange(from, to)
	type(area, lines.map(l => (has ? l.slice(mark.length) : mark + l)).join('\n'))
}

const link = area => {
	const { selectionStart: from, selectionEnd: to } = area
	const text = area.value.slice(from, to)
	type(area, '[' + text + '](https://)')
	const at = area.selectionStart - 1
	text ? area.setSelectionRange(at, at) : area.setSelectionRange(from + 1, from + 1)
}
