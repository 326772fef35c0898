// What all pages share. Each page works without this; scripts take over by attributes.
import './find.js'
import './menu.js'

document.documentElement.classList.add('scripted')
for (const el of document.querySelectorAll('[data-focus]')) { // what the page has to say first
	el.focus()
	break
}
if (document.querySelector('[data-entry]')) {
	import('./entry.js')
	import('./paste.js')
	import('./choose.js')
}
if (document.querySelector('[data-live]')) import('./list.js')
if (document.querySelector('[data-library]')) import('./library.js')
