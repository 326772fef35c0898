// The pages of one text, a whole file or a block: what is written there is kept, too.
import { keep } from './draft.js'
import { saying } from './words.js'

const form = document.querySelector('[data-text]')
const area = form.elements.text
const status = form.querySelector('[data-status]')
if (status) { // of who may save it
	const cameBack = form.hasAttribute('data-posted')
	const draft = keep(form, saying(form), () => cameBack || area.value !== area.defaultValue, at => (status.textContent = at))
	area.addEventListener('input', () => draft.soon())
	form.addEventListener('submit', () => draft.sent())
	if (cameBack || area.value !== area.defaultValue) draft.soon() // somebody may have typed before this ran
}
