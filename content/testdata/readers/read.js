// Tells what readers of YAML take each line for, which is a scalar without quotes.
import { createInterface } from 'node:readline';
import js4 from 'js-yaml';
import js3 from 'js-yaml-3';
import { parse } from 'yaml';

function told(read, text) {
	try {
		const v = read('- ' + text)[0];
		if (typeof v === 'number') return { number: String(v) };
		return { value: v instanceof Date ? null : v, date: v instanceof Date };
	} catch {
		return { error: true };
	}
}

for await (const text of createInterface(process.stdin)) {
	console.log(JSON.stringify([s => parse(s), s => js3.safeLoad(s), s => js4.load(s)].map(read => told(read, text))));
}
