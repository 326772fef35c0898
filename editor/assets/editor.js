// What all pages share. Each page works without this; scripts take over by attributes.
import './find.js'
import './menu.js'
import './passkey.js'
import './session.js'

document.documentElement.classList.add('scripted')
for (const el of document.querySelectorAll('[data-focus]')) { // what the page has to say first
	el.focus()
	break
}
const parts = []
if (document.querySelector('[data-entry]')) parts.push(import('./entry.js'), import('./paste.js'), import('./choose.js'))
if (document.querySelector('[data-live]')) parts.push(import('./list.js'))
if (document.querySelector('[data-source]')) parts.push(import('./source.js'))
if (document.querySelector('[data-text]')) parts.push(import('./text.js'))
if (document.querySelector('[data-library]')) parts.push(import('./library.js'))
await Promise.all(parts)
document.documentElement.classList.add('ready') // each script has taken over
