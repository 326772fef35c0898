// oidc-provider in its default mode: its own pages to log in and to consent, and what
// is not about the login itself at UserInfo only. It says where it is, and is told
// where its client is. Ann is an editor, everybody else is nothing here.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

const server = createServer();
server.listen(0, 'localhost');
await once(server, 'listening');
const issuer = `http://localhost:${server.address().port}`;
console.log(issuer);
const [client] = await once(createInterface(process.stdin), 'line');

const provider = new Provider(issuer, {
	clients: [{
		client_id: 'cms', client_secret: 's3cret',
		redirect_uris: [`${client}/v1/auth/oidc/id/callback`],
		post_logout_redirect_uris: [`${client}/v1/auth/oidc/id/logged-out`],
	}],
	claims: { openid: ['sub'], profile: ['name', 'groups'], email: ['email', 'email_verified'] },
	findAccount: (_, id) => ({
		accountId: id,
		claims: () => ({ sub: id, name: `${id} Éditrice`, email: `${id}@example.org`, email_verified: true, groups: id === 'ann' ? ['/editors'] : [] }),
	}),
});
for (const event of ['server_error', 'authorization.error', 'grant.error', 'userinfo.error', 'end_session.error']) {
	provider.on(event, (_, err) => console.error(event, err.message, err.error_description ?? ''));
}
server.on('request', provider.callback());
console.log('ready');
