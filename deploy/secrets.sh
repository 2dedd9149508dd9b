#!/usr/bin/env bash
# Makes the secrets of compose.yaml: random passwords, and the files in which the containers find them. What is there stays.
set -euo pipefail
umask 077
directory=${1:-$(dirname "$0")/secrets}
mkdir -p "$directory"
cd "$directory"

password() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; } # without characters that URLs give a meaning
# Readable for the users inside of the containers; the directory keeps everybody else out.
keep() { [ -s "$1" ] || printf '%s\n' "$2" >"$1"; chmod 444 "$1"; }

for server in postgres rabbitmq redis; do
    keep "${server}_password" "$(password)"
done
keep database_url "postgresql://bennu:$(<postgres_password)@postgres:5432/bennu"
keep broker_url "amqp://bennu:$(<rabbitmq_password)@rabbitmq:5672/%2f"
keep redis_url "redis://:$(<redis_password)@redis:6379/0"
# Tokens are signed with it: it must have a digit and a lower-case letter.
keep secret "s1-$(password)"
keep admin_password "$(password)"
# The broker's one user, beside the exchanges and queues of rabbitmq/definitions.json.
keep rabbitmq_users.json "{
  \"users\": [{ \"name\": \"bennu\", \"password\": \"$(<rabbitmq_password)\", \"tags\": [] }],
  \"permissions\": [{ \"user\": \"bennu\", \"vhost\": \"/\", \"configure\": \".*\", \"write\": \".*\", \"read\": \".*\" }]
}"
