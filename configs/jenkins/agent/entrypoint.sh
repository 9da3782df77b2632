#!/usr/bin/env bash
# An agent: the keys that compose.yaml mounts, copied to where sshd believes them (its own files, for nobody else), then sshd.
set -euo pipefail
umask 077
secrets=${AGENT_SECRETS:-/run/secrets}
for name in jenkins_agent_host_key jenkins_agent_key_pub; do
  if [[ ! -r $secrets/$name ]]; then
    echo "agent: $secrets/$name is missing or cannot be read; make it with \`make secrets\`" >&2
    exit 2
  fi
done
mkdir -p "$HOME/.sshd"
cat "$secrets/jenkins_agent_host_key" >"$HOME/.sshd/host_key"
cat "$secrets/jenkins_agent_key_pub" >"$HOME/.sshd/authorized_keys"
exec /usr/sbin/sshd -D -e -f "${AGENT_SSHD_CONFIG:-/etc/driftgate/sshd_config}"
