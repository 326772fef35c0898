// Files are sent one after another, each with its progress, and told what became of it.
import { renewed } from './session.js'

const key = () => [...crypto.getRandomValues(new Uint8Array(12))].map(n => n.toString(16).padStart(2, '0')).join('')

// Put sends one file. What it gives has the tile of the file, or the reason why not.
export const put = (folder, name, file, { id = key(), choose = '', progress, sending } = {}) => new Promise(resolve => {
	const path = (folder + name).split('/').map(encodeURIComponent).join('/')
	const query = new URLSearchParams({ key: id })
	if (choose) query.set('choose', choose)
	const x = new XMLHttpRequest()
	x.open('POST', '/editor/upload/' + path + '?' + query)
	x.setRequestHeader('X-Part', '1')
	x.setRequestHeader('Content-Type', 'application/octet-stream')
	if (progress) x.upload.onprogress = e => e.lengthComputable && progress(e.loaded / e.total)
	x.onload = async () => {
		if (x.status === 401 && (await renewed())) return resolve(put(folder, name, file, { id, choose, progress, sending }))
		const page = new DOMParser().parseFromString(x.responseText, 'text/html')
		const tile = page.querySelector('[data-uploaded]')
		if (x.status === 201 && tile) return resolve({ tile })
		const fault = page.querySelector('[data-fault]')
		resolve({ taken: !!fault?.matches('[data-taken]'), text: (fault ?? page.querySelector('h1 + p, h1'))?.textContent.trim() })
	}
	x.onerror = () => resolve({ lost: true })
	x.onabort = () => resolve({ stopped: true })
	sending?.(x)
	x.send(file)
})

// Tidy is the name of a file as it is kept.
export const tidy = name => name.normalize('NFC').trim()

// Beside is another name for a file whose own is taken.
export const beside = name => {
	const [, stem, n, ext] = name.match(/^(.*?)(?:-(\d+))?(\.[^.]*)?$/)
	return stem + '-' + (Number(n ?? 1) + 1) + (ext ?? '')
}

const element = (name, props = {}, ...children) => {
	const el = Object.assign(document.createElement(name), props)
	el.append(...children)
	return el
}

export const uploads = (root, say, added) => {
	const form = root.querySelector('[data-upload]')
	if (!form) return
	const list = form.querySelector('[data-progress]')
	const said = form.querySelector('[data-said]')
	const picker = form.elements.files
	form.querySelector('[data-send]').hidden = true
	form.querySelector('[data-drop]').hidden = false
	const queue = []
	let busy = false

	const take = files => {
		const all = [...files]
		for (const file of all) queue.push(row(file, all.length))
		next()
	}
	const row = (file, of) => {
		const bar = element('progress', { max: 1, value: 0 })
		bar.setAttribute('aria-label', file.name)
		const told = element('span', { className: 'small soft', textContent: say('up.waits') })
		const stop = element('button', { type: 'button', className: 'btn quiet', textContent: say('up.stop') })
		stop.setAttribute('aria-label', say('up.stop') + ' ' + file.name)
		const one = { file, of, id: key(), name: tidy(file.name), bar, told, stop }
		one.li = element('li', { className: 'row' }, element('b', { className: 'path', textContent: file.name }), bar, told, stop)
		stop.addEventListener('click', () => {
			const i = queue.indexOf(one)
			if (i >= 0) queue.splice(i, 1)
			one.request?.abort()
			one.li.remove()
			picker.focus()
		})
		list.append(one.li)
		return one
	}
	const next = async () => {
		if (busy) return
		const one = queue.shift()
		if (!one) return
		busy = true
		one.told.textContent = ''
		const made = await put(folder(), one.name, one.file, {
			id: one.id, choose: root.dataset.choosing,
			progress: part => {
				one.bar.value = part
				if (part === 1) one.told.textContent = say('up.checked')
			},
			sending: x => (one.request = x),
		})
		busy = false
		if (made.tile) {
			one.li.remove()
			said.textContent = say('up.done', one.name)
			added(made.tile, one.of)
		} else if (!made.stopped) refused(one, made)
		next()
	}
	const folder = () => {
		const name = form.elements.folder.value.trim().replace(/^\/+|\/+$/g, '')
		return name && name + '/'
	}
	const refused = (one, { text, taken, lost }) => {
		one.li.className = 'row bad'
		one.bar.remove()
		one.told.className = 'fault'
		one.told.textContent = lost ? say('up.lost') : text
		said.textContent = one.name + ' ' + one.told.textContent
		one.stop.textContent = say('up.dismiss')
		const again = element('button', { type: 'button', className: 'btn', textContent: say(taken ? 'up.as' : 'up.again') })
		if (taken) {
			const name = element('input', { value: beside(one.name) })
			name.setAttribute('aria-label', say('up.name'))
			one.stop.before(name)
			again.addEventListener('click', () => (one.name = tidy(name.value)), { capture: true })
		}
		again.addEventListener('click', () => {
			one.li.remove()
			queue.push(Object.assign(row(one.file, one.of), { name: one.name, id: taken ? key() : one.id }))
			next()
		})
		if (taken || lost) one.stop.before(again)
	}

	picker.addEventListener('change', () => {
		take(picker.files)
		picker.value = ''
	})
	form.addEventListener('submit', e => e.preventDefault())
	root.addEventListener('dragover', e => {
		if (!e.dataTransfer.types.includes('Files')) return
		e.preventDefault()
		form.classList.add('over')
	})
	root.addEventListener('dragleave', e => root.contains(e.relatedTarget) || form.classList.remove('over'))
	root.addEventListener('drop', e => {
		form.classList.remove('over')
		if (!e.dataTransfer.files.length) return
		e.preventDefault()
		take(e.dataTransfer.files)
	})
	addEventListener('beforeunload', e => {
		if (root.isConnected && (busy || queue.length)) e.preventDefault()
	})
}
