// What is pasted or dropped into a Markdown text becomes Markdown: rich text, tables and
// images. Pasted as plain text, it stays as it is.
import { toMarkdown } from './markdown.js'
import { type } from './tools.js'
import { saying } from './words.js'

const target = e => {
	const area = e.target.closest?.('textarea[data-markdown]')
	return area && !area.readOnly ? area : null
}
const images = data => [...data.files].filter(f => f.type.startsWith('image/'))
const bring = async (area, files) => (await import('./image.js')).bring(area, saying(area.closest('[data-words]')), files)

document.addEventListener('paste', e => {
	const area = target(e)
	if (!area) return
	const data = e.clipboardData
	const html = data.getData('text/html')
	const text = html && toMarkdown(html)
	const files = images(data)
	if (files.length && !(text && /[^\s!]/.test(text.replace(/!\[.*?\]\(.*?\)/g, '')))) {
		e.preventDefault()
		bring(area, files)
	} else if (text && text !== data.getData('text/plain').trim()) {
		e.preventDefault()
		type(area, text)
	}
})
document.addEventListener('dragover', e => {
	if (target(e) && e.dataTransfer.types.includes('Files')) e.preventDefault()
})
document.addEventListener('drop', e => {
	const area = target(e)
	if (!area) return
	const files = images(e.dataTransfer)
	if (e.dataTransfer.files.length) e.preventDefault() // or the browser leaves the page for it
	if (files.length) {
		area.focus()
		bring(area, files)
	}
})
