#!/bin/sh
# After the package is installed: the user of the unit, and a secret of its own.
set -e
if ! getent passwd cms >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/cms --no-create-home --shell /usr/sbin/nologin cms
fi
if ! [ -e /etc/cms/secrets/jwt ]; then
	(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >/etc/cms/secrets/jwt)
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
