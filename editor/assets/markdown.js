// HTML that was pasted, as Markdown. What is not known is taken by its text alone, and no
// HTML is ever given back.

const dropped = new Set(['SCRIPT', 'STYLE', 'HEAD', 'TITLE', 'META', 'LINK', 'TEMPLATE', 'NOSCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'SVG', 'MATH', 'AUDIO', 'VIDEO', 'CANVAS', 'BUTTON', 'SELECT', 'TEXTAREA', 'INPUT'])
const blocks = new Set(['P', 'DIV', 'SECTION', 'ARTICLE', 'MAIN', 'HEADER', 'FOOTER', 'ASIDE', 'FIGURE', 'FIGCAPTION', 'BODY', 'CENTER', 'ADDRESS', 'DL', 'DT', 'DD', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'UL', 'OL', 'LI', 'BLOCKQUOTE', 'PRE', 'HR', 'TABLE', 'DETAILS', 'SUMMARY', 'NAV', 'FORM'])

export const toMarkdown = html => {
	const page = new DOMParser().parseFromString(html, 'text/html')
	return inside(page.body, 0).join('\n\n').trim()
}

// Escaped is a text whose signs mean nothing; { is of what the site's generator fills in.
const escaped = text => text.replace(/[\\`*_[\]]|<(?=[a-z/!?])|&(?=#?\w+;)|\{(?=[{%:])/gi, '\\$&')

// Opening keeps the beginning of a line from being more than text.
const opening = line => line.replace(/^(\s*)(#{1,6}(?=\s|$)|>|[-+](?=\s|$)|={2,}|-{2,}|~{3,}|\|)/, '$1\\$2').replace(/^(\s*\d{1,9})([.)])(?=\s|$)/, '$1\\$2')

const holdsBlocks = el => [...el.children].some(c => !dropped.has(c.tagName.toUpperCase()) && (blocks.has(c.tagName) || holdsBlocks(c)))

// Inside are the blocks in an element.
const inside = (el, depth) => {
	const all = []
	let line = ''
	const end = () => {
		const text = tidy(line)
		if (text) all.push(text.split('\n').map(opening).join('\n'))
		line = ''
	}
	if (depth > 100) return [tidy(escaped(el.textContent))].filter(Boolean)
	for (const node of el.childNodes) {
		if (node.nodeType === 1 && (blocks.has(node.tagName) || holdsBlocks(node)) && !dropped.has(node.tagName.toUpperCase())) {
			end()
			all.push(...block(node, depth + 1))
		} else line += inline(node)
	}
	end()
	return joined(all)
}

// Joined are blocks in which items of lists that were paragraphs, as those of word
// processors are, stand together.
const joined = all => all.reduce((out, b) => {
	const last = out.length - 1
	if (b.startsWith('\0') && out[last]?.startsWith('\0')) out[last] += '\n' + b.slice(1)
	else out.push(b)
	return out
}, []).map(b => b.replace(/^\0/, ''))

const tidy = text => text.replace(/[ \t\r\f]+/g, ' ').replace(/ ?\n ?/g, '\n').replace(/\n{2,}/g, '\n').trim().replace(/\n/g, '\\\n')

const block = (el, depth) => {
	switch (el.tagName) {
	case 'H1': case 'H2': case 'H3': case 'H4': case 'H5': case 'H6': {
		const text = tidy(inlines(el)).replace(/\\\n/g, ' ').replace(/^\*\*(.*)\*\*$/, '$1')
		return text ? ['#'.repeat(Math.max(2, Number(el.tagName[1]))) + ' ' + text] : []
	}
	case 'UL': case 'OL':
		return list(el, depth)
	case 'BLOCKQUOTE':
		return [inside(el, depth).join('\n\n').split('\n').map(l => ('> ' + l).trimEnd()).join('\n')].filter(b => b !== '>')
	case 'PRE':
		return code(el)
	case 'HR':
		return ['---']
	case 'TABLE':
		return table(el, depth)
	case 'P': {
		const word = /mso-list:\s*l\d+ level(\d)/.exec(el.getAttribute('style') ?? '')
		if (!word) return inside(el, depth)
		const [, sign, text] = /^\s*(\S{1,4}?)[\s\u00a0]+([^]*)$/.exec(tidy(inlines(el)).replace(/\\(?=[*_])/g, '')) ?? [null, '', tidy(inlines(el))]
		return ['\0' + '   '.repeat(word[1] - 1) + (/\d|^[a-z][.)]/.test(sign) ? '1. ' : '- ') + text]
	}
	}
	return inside(el, depth)
}

const list = (el, depth) => {
	let n = Number(el.getAttribute('start') ?? 1) || 1
	const lines = []
	for (const item of el.children) {
		const nested = item.tagName === 'UL' || item.tagName === 'OL'
		if (item.tagName !== 'LI' && !nested) continue
		const own = inside(item, depth)
		if (nested) own.splice(0, own.length, ...list(item, depth + 1))
		if (!own.length) continue
		const mark = el.tagName === 'OL' ? n++ + '. ' : '- '
		const pad = ' '.repeat(mark.length)
		const body = own.reduce((a, b) => a + (a && !/^(- |\d+\. )/.test(b) ? '\n\n' : a ? '\n' : '') + b, '')
		const text = body.split('\n').map(l => (l ? pad + l : '')).join('\n')
		lines.push(nested ? text : mark + text.slice(pad.length))
	}
	return lines.length ? [lines.join('\n')] : []
}

const code = el => {
	const text = el.textContent.replace(/\n$/, '')
	const most = Math.max(2, ...(text.match(/`+/g) ?? []).map(t => t.length))
	const fence = '`'.repeat(most + 1)
	return text.trim() ? [fence + '\n' + text + '\n' + fence] : []
}

const table = (el, depth) => {
	const rows = [...el.rows].filter(r => r.closest('table') === el).map(r => [...r.cells].flatMap(c => {
		const text = tidy(inlines(c)).replace(/\\?\n/g, ' ').replace(/\|/g, '\\|')
		return [text, ...Array(Math.min(Math.max(c.colSpan, 1), 50) - 1).fill('')]
	})).filter(r => r.some(Boolean))
	const width = Math.max(0, ...rows.map(r => r.length))
	if (!width) return []
	if (width === 1) return [...el.rows].filter(r => r.closest('table') === el).flatMap(r => [...r.cells].flatMap(c => inside(c, depth)))
	const line = cells => '| ' + [...cells, ...Array(width - cells.length).fill('')].join(' | ') + ' |'
	const [head, ...rest] = rows
	return [[line(head), line(Array(width).fill('---')), ...rest.map(line)].join('\n')]
}

const inlines = el => [...el.childNodes].map(inline).join('')

// Around puts a mark around a text, and spaces outside of it.
const around = (text, mark) => {
	const [, before, within, after] = /^(\s*)([^]*?)(\s*)$/.exec(text)
	return within && !within.includes('\n') ? before + mark + within + mark + after : text
}

const address = el => {
	const to = (el.getAttribute(el.tagName === 'IMG' ? 'src' : 'href') ?? '').trim()
	const fits = el.tagName === 'IMG' ? /^(https?:\/\/|\/(?!\/))/i : /^(https?:\/\/|mailto:|tel:|\/(?!\/)|#)/i
	return fits.test(to) ? to.replace(/[\s<>()\\{}"'`]/g, c => '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')) : ''
}

const inline = node => {
	if (node.nodeType === 3) return escaped(node.data.replace(/[\s]+/g, ' '))
	if (node.nodeType !== 1 || dropped.has(node.tagName.toUpperCase())) return ''
	const style = node.getAttribute('style') ?? ''
	const text = node.tagName === 'CODE' ? '' : inlines(node)
	switch (node.tagName) {
	case 'BR':
		return '\n'
	case 'STRONG': case 'B':
		return /font-weight:\s*(normal|400)/.test(style) ? text : around(text, '**')
	case 'EM': case 'I':
		return /font-style:\s*normal/.test(style) ? text : around(text, '*')
	case 'SPAN':
		return around(around(text, /font-weight:\s*(bold|[6-9]00)/.test(style) ? '**' : ''), /font-style:\s*italic/.test(style) ? '*' : '')
	case 'CODE': case 'KBD': case 'SAMP': case 'TT': {
		const plain = node.textContent.replace(/\s+/g, ' ').trim()
		const most = Math.max(0, ...(plain.match(/`+/g) ?? []).map(t => t.length))
		const ticks = '`'.repeat(most + 1)
		return plain ? ticks + (most ? ' ' : '') + plain + (most ? ' ' : '') + ticks : ''
	}
	case 'A': {
		const to = address(node)
		const label = tidy(text).replace(/\\?\n/g, ' ')
		return to && label ? `[${label}](${to})` : text
	}
	case 'IMG': {
		const from = address(node)
		return from ? `![${escaped((node.getAttribute('alt') ?? '').replace(/\s+/g, ' ').trim())}](${from})` : ''
	}
	}
	return text
}
