// Items of a list are dragged to another place with the pointer. Who uses the keyboard has
// buttons for it, and nothing here to stop at.

// Drags makes the items below root so. Moving is told which item is taken, and gives what is
// to be done once it is let go elsewhere. What it gives makes an item that came later so.
export const drags = (root, moving) => {
	const grip = item => {
		if (!item.querySelector(':scope > .moves') || item.querySelector(':scope > .grip')) return
		const handle = document.createElement('span')
		handle.className = 'grip'
		handle.setAttribute('aria-hidden', 'true')
		item.prepend(handle)
	}
	const all = of => {
		if (of.matches('[data-item]')) grip(of)
		for (const item of of.querySelectorAll('[data-item]')) grip(item)
	}
	all(root)
	root.addEventListener('pointerdown', e => {
		if (!e.target.matches('.grip') || e.button !== 0) return
		e.preventDefault()
		drag(e.target, e.pointerId, moving)
	})
	return all
}

const middle = el => {
	const box = el.getBoundingClientRect()
	return box.top + box.height / 2
}

// The others make way, so that the one that is dragged stays where it is in the page, and
// keeps the pointer.
const drag = (handle, pointer, moving) => {
	const item = handle.parentElement
	const list = item.parentElement
	const before = [...list.children]
	const done = moving(item)
	item.classList.add('dragged')
	handle.setPointerCapture(pointer)
	const over = e => {
		for (let next; (next = item.nextElementSibling) && e.clientY > middle(next); ) item.before(next)
		for (let last; (last = item.previousElementSibling) && e.clientY < middle(last); ) item.after(last)
	}
	const end = () => {
		handle.removeEventListener('pointermove', over)
		document.removeEventListener('keydown', leave, true)
		item.classList.remove('dragged')
		if (before.some((el, i) => list.children[i] !== el)) done()
	}
	const leave = e => {
		if (e.type === 'keydown' && e.key !== 'Escape') return
		list.append(...before)
		end()
	}
	handle.addEventListener('pointermove', over)
	handle.addEventListener('pointerup', end, { once: true })
	handle.addEventListener('pointercancel', leave, { once: true })
	document.addEventListener('keydown', leave, true)
}
