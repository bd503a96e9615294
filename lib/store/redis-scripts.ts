import { createHash } from "node:crypto";

/** A Lua script, as EVAL and EVALSHA take it. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

/*
 * Each key is one hash. Its field "r" is the text of the record, "v" its version (0 without a record), and
 * "s:<name>" the JSON text of one key of the session.
 *
 * Every script has one key, KEYS[1], because proxies of managed services refuse other scripts.
 *
 * If Redis has no memory left, it refuses the first command of a script that needs memory, but none that
 * follows a write. So the first write of a script needs memory if any of its writes does.
 * Then the script writes either everything or nothing. Deletions need no memory.
 */

const PARTS = {
  /** Reads the record, its version and its life. */
  record: `local found = redis.call("HMGET", KEYS[1], "r", "v")
local life = redis.call("PTTL", KEYS[1])`,
  /** Sets the life to ARGV[1] milliseconds, unless that is empty. */
  live: `if ARGV[1] ~= "" then redis.call("PEXPIRE", KEYS[1], ARGV[1]) end`,
  /** Reads the server's time in milliseconds. */
  now: `local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)`,
};

/** Returns [text, version, life], or nil without a record. */
export const READ = script(`
${PARTS.record}
if not found[1] then return false end
return {found[1], found[2], life}`);

/** ARGV: life, text. Returns 1 if it created the record. */
export const CREATE = script(`
if redis.call("HEXISTS", KEYS[1], "r") == 1 then return 0 end
redis.call("HSET", KEYS[1], "r", ARGV[2], "v", 1)
${PARTS.live}
return 1`);

/** ARGV: life or "", version, text. Returns 1 if it replaced the record. */
export const REPLACE = script(`
local found = redis.call("HMGET", KEYS[1], "r", "v")
if not found[1] or found[2] ~= ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], "r", ARGV[3], "v", found[2] + 1)
${PARTS.live}
return 1`);

/** ARGV: life. Returns 1 if there is such a key. */
export const TOUCH = script(`return redis.call("PEXPIRE", KEYS[1], ARGV[1])`);

/** ARGV: version or "". Returns [text, version, life] of the record that it removed, or nil without one. */
export const REMOVE = script(`
${PARTS.record}
if ARGV[1] ~= "" and not (found[1] and found[2] == ARGV[1]) then return false end
redis.call("DEL", KEYS[1])
if not found[1] then return false end
return {found[1], found[2], life}`);

/** Returns [life, field, value, field, value, …], or nil without an entry. */
export const READ_ENTRY = script(`
local fields = redis.call("HGETALL", KEYS[1])
if #fields == 0 then return false end
table.insert(fields, 1, redis.call("PTTL", KEYS[1]))
return fields`);

/** ARGV: life, field, value, field, value, … An old entry gives its memory to the new one. */
export const CREATE_ENTRY = script(`
if redis.call("HEXISTS", KEYS[1], "v") == 1 then redis.call("DEL", KEYS[1]) end
for i = 2, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
${PARTS.live}
return 1`);

/** ARGV: life or "", index of the last changed value, changed field, value, …, removed field, … */
export const UPDATE_ENTRY = script(`
if redis.call("HEXISTS", KEYS[1], "v") == 0 then return 0 end
local last = tonumber(ARGV[2])
for i = 3, last, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV do redis.call("HDEL", KEYS[1], ARGV[i]) end
${PARTS.live}
return 1`);

/**
 * ARGV: life, name. The list is a sorted set. The score of a name is its end by the server's clock, in
 * milliseconds. The list itself ends with its last name.
 */
export const ADD_NAME = script(`
${PARTS.now}
local ends = string.format("%.0f", now + ARGV[1])
local known = redis.call("ZSCORE", KEYS[1], ARGV[2])
if not known or tonumber(known) < tonumber(ends) then redis.call("ZADD", KEYS[1], ends, ARGV[2]) end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", string.format("%.0f", now))
local last = redis.call("ZRANGE", KEYS[1], -1, -1, "WITHSCORES")
if last[2] then redis.call("PEXPIREAT", KEYS[1], last[2]) end
return 1`);

/** Returns the names that have not expired. ADD_NAME removes the others, or they end with the list. */
export const LIST_NAMES = script(`
${PARTS.now}
return redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. string.format("%.0f", now), "+inf")`);

/** ARGV: names. Redis removes a list with its last name. */
export const REMOVE_NAMES = script(`
for i = 1, #ARGV do redis.call("ZREM", KEYS[1], ARGV[i]) end
return 1`);

function script(source: string): RedisScript {
  const text = source.trim();
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}
