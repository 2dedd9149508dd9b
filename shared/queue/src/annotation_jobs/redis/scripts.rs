//! The steps that must not be half done, as scripts: Redis runs each as a whole.

use redis::Script;

pub(super) const JOBS: &str = "bennu:{annotations}:jobs";
pub(super) const LATER: &str = "bennu:{annotations}:later";
pub(super) const QUEUED: &str = "bennu:{annotations}:queued";
pub(super) const UNREADABLE: &str = "bennu:{annotations}:unreadable";
pub(super) const GROUP: &str = "workers";

/// Keys `jobs`, `queued`, `later`; arguments capacity, tenant, then field, items and payload of each job.
const ENQUEUE: &str = r"
local count = (#ARGV - 2) / 3
if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[3]) + count > tonumber(ARGV[1]) then return 0 end
for at = 3, #ARGV, 3 do
    redis.call('XADD', KEYS[1], '*', 'tenant', ARGV[2], 'job', ARGV[at + 2])
    redis.call('HINCRBY', KEYS[2], ARGV[at], ARGV[at + 1])
end
return 1";

/// Keys `later`, `jobs`; arguments now, most. Moves jobs that are due into the stream.
const PROMOTE: &str = r"
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
    local space = string.find(member, ' ', 1, true)
    redis.call('XADD', KEYS[2], '*', 'tenant', string.sub(member, 1, space - 1), 'job', string.sub(member, space + 1))
    redis.call('ZREM', KEYS[1], member)
end
return redis.status_reply('OK')";

/// Keys `jobs`, `queued`, `later`; arguments group, then entry, field, settled items, due and member of each job; without a
/// member nothing of the job is left. An entry that somebody else has settled before is left alone.
const SETTLE: &str = r"
for at = 2, #ARGV, 5 do
    if redis.call('XACK', KEYS[1], ARGV[1], ARGV[at]) == 1 then
        redis.call('XDEL', KEYS[1], ARGV[at])
        if ARGV[at + 4] ~= '' then redis.call('ZADD', KEYS[3], ARGV[at + 3], ARGV[at + 4]) end
        if redis.call('HINCRBY', KEYS[2], ARGV[at + 1], -tonumber(ARGV[at + 2])) <= 0 then
            redis.call('HDEL', KEYS[2], ARGV[at + 1])
        end
    end
end
return redis.status_reply('OK')";

/// Keys `jobs`, `unreadable`; arguments group, entry.
const PUT_ASIDE: &str = r"
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])) do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', unpack(entry[2]))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return redis.status_reply('OK')";

pub(super) struct Scripts {
    pub enqueue: Script,
    pub promote: Script,
    pub settle: Script,
    pub put_aside: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            enqueue: Script::new(ENQUEUE),
            promote: Script::new(PROMOTE),
            settle: Script::new(SETTLE),
            put_aside: Script::new(PUT_ASIDE),
        }
    }
}
