// Passkeys: a form that has a challenge is sent with the browser's answer to it, unless a code
// was typed instead, or the button is one that needs none (data-plain).
const bytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0))
const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
const known = list => list?.map(each => ({ ...each, id: bytes(each.id) }))

// Answer has the browser do what options ask, and gives what the service reads of it.
const answer = async (how, options) => {
	options.challenge = bytes(options.challenge)
	if (options.user) options.user.id = bytes(options.user.id)
	options.allowCredentials = known(options.allowCredentials)
	options.excludeCredentials = known(options.excludeCredentials)
	const made = await navigator.credentials[how]({ publicKey: options })
	const { response } = made
	const told = { clientDataJSON: text(response.clientDataJSON) }
	if (how === 'create') {
		told.attestationObject = text(response.attestationObject)
		told.transports = response.getTransports?.() ?? []
	} else {
		told.authenticatorData = text(response.authenticatorData)
		told.signature = text(response.signature)
		if (response.userHandle) told.userHandle = text(response.userHandle)
	}
	return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response: told, clientExtensionResults: {} })
}

const say = (form, words) => {
	form.querySelector('[data-told]')?.remove()
	const told = document.createElement('div')
	told.className = 'banner bad'
	told.dataset.told = ''
	told.setAttribute('role', 'alert')
	told.textContent = words
	form.prepend(told)
}

const code = form => form.querySelector('[autocomplete=one-time-code]')
const asking = new WeakSet()
addEventListener('submit', async e => {
	const form = e.target
	const box = form.querySelector('[data-passkey]')
	if (!box) return
	const { submitter } = e
	const into = box.querySelector('[data-answer]')
	if (into.value || code(form)?.value || submitter?.matches('[data-plain]')) return
	e.preventDefault()
	e.stopImmediatePropagation()
	if (asking.has(form)) return
	if (!window.PublicKeyCredential) return say(form, box.dataset.unable)
	asking.add(form)
	try {
		into.value = await answer(box.dataset.passkey, JSON.parse(box.dataset.options))
	} catch {
		return say(form, box.dataset.failed)
	} finally {
		asking.delete(form)
	}
	form.requestSubmit(submitter)
}, true)
addEventListener('pageshow', () => { // a form that the browser has kept was answered before
	for (const answer of document.querySelectorAll('[data-answer]')) answer.value = ''
})

// Where a passkey does, no code has to be typed.
for (const box of document.querySelectorAll('[data-passkey]')) code(box.closest('form'))?.removeAttribute('required')
