// The whole file with the numbers of its lines beside it, opened at the line where it is
// wrong.
const area = document.querySelector('[data-source] textarea')
const numbers = document.createElement('div')
numbers.className = 'numbers code'
numbers.setAttribute('aria-hidden', 'true')
const frame = document.createElement('div')
frame.className = 'numbered'
area.before(frame)
frame.append(numbers, area)

let lines = 0
const number = () => {
	const now = area.value.split('\n').length
	if (now === lines) return
	lines = now
	numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join('\n')
	follow()
}
const follow = () => (numbers.scrollTop = area.scrollTop)
// To count takes work that grows with the file, so it waits until the typing rests.
let resting
area.addEventListener('input', () => {
	clearTimeout(resting)
	resting = setTimeout(number, 100)
})
area.addEventListener('scroll', follow)
number()

const line = Number(area.dataset.line)
if (line > 0) {
	const before = area.value.split('\n').slice(0, line - 1)
	const from = before.reduce((n, text) => n + text.length + 1, 0)
	const end = area.value.indexOf('\n', from)
	if (!document.querySelector('[data-focus]')) area.focus()
	area.setSelectionRange(from, end < 0 ? area.value.length : end)
	area.scrollTop = Math.max(0, line - 4) * parseFloat(getComputedStyle(area).lineHeight)
}
