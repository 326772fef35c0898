// An input with suggestions below it, as the ARIA Authoring Practices have it (combobox
// with a list). What is typed counts as it stands; a suggestion only fills it in.

let made = 0

// combobox asks for suggestions while one types: ask(text) gives [{label, note, value}],
// pick(suggestion) takes the chosen one.
export const combobox = (input, ask, pick) => {
	const list = document.createElement('ul')
	list.id = 'suggestions-' + ++made
	list.className = 'suggestions sheet'
	list.setAttribute('role', 'listbox')
	list.setAttribute('aria-label', input.getAttribute('aria-label') || input.labels?.[0]?.textContent.trim() || '')
	list.hidden = true
	const frame = document.createElement('span')
	frame.className = 'combobox'
	input.before(frame)
	frame.append(input, list)
	input.setAttribute('role', 'combobox')
	input.setAttribute('aria-autocomplete', 'list')
	input.setAttribute('aria-controls', list.id)
	input.setAttribute('aria-expanded', 'false')

	let all = []
	let at = -1
	let asked = 0
	let timer

	const show = () => {
		list.replaceChildren(...all.map((one, i) => {
			const li = document.createElement('li')
			li.id = list.id + '-' + i
			li.setAttribute('role', 'option')
			li.setAttribute('aria-selected', i === at)
			li.textContent = one.label
			if (one.note) {
				const note = document.createElement('span')
				note.className = 'soft small'
				note.textContent = one.note
				li.append(' ', note)
			}
			li.addEventListener('pointerdown', e => {
				e.preventDefault() // the input keeps the focus
				choose(i)
			})
			return li
		}))
		list.hidden = all.length === 0
		input.setAttribute('aria-expanded', !list.hidden)
		at < 0 ? input.removeAttribute('aria-activedescendant') : input.setAttribute('aria-activedescendant', list.id + '-' + at)
		list.children[at]?.scrollIntoView({ block: 'nearest' })
	}
	const close = () => {
		asked++
		all = []
		at = -1
		show()
	}
	const choose = i => {
		const one = all[i]
		close()
		pick(one)
	}
	const find = async () => {
		const mine = ++asked
		const found = await ask(input.value)
		if (mine !== asked || document.activeElement !== input) return
		const was = all[at] // what was gone to meanwhile stays where it is
		all = found
		at = was ? all.findIndex(one => one.path === was.path) : -1
		show()
	}
	input.addEventListener('input', () => {
		clearTimeout(timer)
		timer = setTimeout(find, 120)
	})
	input.addEventListener('keydown', e => {
		if (e.isComposing) return
		switch (e.key) {
			case 'ArrowDown':
			case 'ArrowUp':
				if (list.hidden) find()
				else {
					const n = all.length + 1 // the input itself is one of the stops
					at = ((at + 1 + (e.key === 'ArrowDown' ? 1 : -1) + n) % n) - 1
					show()
				}
				break
			case 'Enter':
				if (at < 0) return
				choose(at)
				break
			case 'Escape':
				if (list.hidden) return
				close()
				break
			default:
				return
		}
		e.preventDefault()
		e.stopPropagation()
	})
	input.addEventListener('blur', close)
}
