import { createHash } from "node:crypto";

/** A Lua script for EVAL and EVALSHA. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

/*
 * Each key is one hash with these fields:
 *
 * - "r": the text of the record
 * - "v": the version of the record; 0 without a record
 * - "s:<name>": the JSON text of one key of the session
 *
 * Every script has one key, KEYS[1], because proxies of managed services reject other scripts.
 *
 * If Redis has no memory left, it rejects the first command of a script that needs memory. It rejects no
 * command after a write. Therefore the first write of a script needs memory if any of its writes does. The
 * script then writes either everything or nothing. Deletions need no memory.
 */

const PARTS = {
  /** Reads the record, its version and its lifetime. */
  record: `local found = redis.call("HMGET", KEYS[1], "r", "v")
local life = redis.call("PTTL", KEYS[1])`,
  /** Sets the lifetime to ARGV[1] milliseconds, unless that is empty. */
  live: `if ARGV[1] ~= "" then redis.call("PEXPIRE", KEYS[1], ARGV[1]) end`,
  /** Reads the server's time in milliseconds. */
  now: `local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)`,
};

/** Returns [text, version, lifetime], or nil without a record. */
export const READ = script(`
${PARTS.record}
if not found[1] then return false end
return {found[1], found[2], life}`);

/** ARGV: lifetime, text. Returns 1 if it created the record. */
export const CREATE = script(`
if redis.call("HEXISTS", KEYS[1], "r") == 1 then return 0 end
redis.call("HSET", KEYS[1], "r", ARGV[2], "v", 1)
${PARTS.live}
return 1`);

/** ARGV: lifetime or "", version, text. Returns 1 if it replaced the record. */
export const REPLACE = script(`
local found = redis.call("HMGET", KEYS[1], "r", "v")
if not found[1] or found[2] ~= ARGV[2] then return 0 end
redis.call("HSET", KEYS[1], "r", ARGV[3], "v", found[2] + 1)
${PARTS.live}
return 1`);

/** ARGV: lifetime. Returns 1 if the key exists. */
export const TOUCH = script(`return redis.call("PEXPIRE", KEYS[1], ARGV[1])`);

/**
 * ARGV: version or "". Returns [text, version, lifetime] of the record that it removed, or nil without a
 * record.
 */
export const REMOVE = script(`
${PARTS.record}
if ARGV[1] ~= "" and not (found[1] and found[2] == ARGV[1]) then return false end
redis.call("DEL", KEYS[1])
if not found[1] then return false end
return {found[1], found[2], life}`);

/** Returns [lifetime, field, value, field, value, …], or nil without an entry. */
export const READ_ENTRY = script(`
local fields = redis.call("HGETALL", KEYS[1])
if #fields == 0 then return false end
table.insert(fields, 1, redis.call("PTTL", KEYS[1]))
return fields`);

/** ARGV: lifetime, field, value, field, value, … The new entry reuses the memory of an old one. */
export const CREATE_ENTRY = script(`
if redis.call("HEXISTS", KEYS[1], "v") == 1 then redis.call("DEL", KEYS[1]) end
for i = 2, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
${PARTS.live}
return 1`);

/** ARGV: lifetime or "", index of the last changed value, changed field, value, …, removed field, … */
export const UPDATE_ENTRY = script(`
if redis.call("HEXISTS", KEYS[1], "v") == 0 then return 0 end
local last = tonumber(ARGV[2])
for i = 3, last, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV do redis.call("HDEL", KEYS[1], ARGV[i]) end
${PARTS.live}
return 1`);

/**
 * ARGV: lifetime, name. The list is a sorted set. The score of a name is its expiry by the server's clock, in
 * milliseconds. The list itself expires with its last name.
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

/**
 * Returns the names that have not expired. ADD_NAME removes expired names. Otherwise they expire with the
 * list.
 */
export const LIST_NAMES = script(`
${PARTS.now}
return redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. string.format("%.0f", now), "+inf")`);

/** ARGV: names. Redis removes a list when its last name is removed. */
export const REMOVE_NAMES = script(`
for i = 1, #ARGV do redis.call("ZREM", KEYS[1], ARGV[i]) end
return 1`);

function script(source: string): RedisScript {
  const text = source.trim();
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}
