// The texts that scripts say come with the page, in its language.
export const saying = el => {
	const texts = JSON.parse(el.dataset.words || '{}')
	return (key, ...args) => {
		let i = 0
		return (texts[key] ?? key).replace(/%[sd]/g, () => args[i++])
	}
}
