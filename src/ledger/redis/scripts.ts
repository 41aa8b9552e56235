import { hash } from 'node:crypto';
import type { RedisClient } from './redis-client.ts';
import { isReply } from './redis-errors.ts';

/** A script that Redis runs as one step, over keys of one hash tag. */
export interface Script {
  readonly text: string;
  readonly sha1: string;
}

/** Of its text. */
export const script = (text: string): Script => ({ text, sha1: hash('sha1', text, 'hex') });

const readLast = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local id, head = '0-0', string.rep('0', 64)
if #last == 1 then
  id, head = last[1][1], ''
  local fields = last[1][2]
  for i = 1, #fields, 2 do if fields[i] == 'hash' then head = fields[i + 1] end end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** Identifier and hash of the last entry, and the server's clock in milliseconds. */
export const headScript = script(`${readLast}return {id, head, tostring(now)}`);

/** Identifier and hash of the first and of the last entry, and how many there are, where the user may count them. */
export const extentScript = script(`${readLast}
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local firstId, firstHash = '', ''
if #first == 1 then
  firstId = first[1][1]
  local fields = first[1][2]
  for i = 1, #fields, 2 do if fields[i] == 'hash' then firstHash = fields[i + 1] end end
end
local count = redis.pcall('XLEN', KEYS[1])
return {firstId, firstHash, id, head, type(count) == 'number' and tostring(count) or ''}`);

/**
 * Puts KEYS[2] in the place of KEYS[1], if both end alike and nothing is missing in the second. Says `denied` before all
 * else where the user may not.
 */
export const replaceScript = script(`
if not (redis.acl_check_cmd('XLEN', KEYS[2]) and redis.acl_check_cmd('RENAME', KEYS[2], KEYS[1])) then
  return 'denied'
end
local function last(key)
  local found = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if #found == 0 then return '', '' end
  local fields = found[1][2]
  for i = 1, #fields, 2 do if fields[i] == 'hash' then return found[1][1], fields[i + 1] end end
  return found[1][1], ''
end
local id, hash = last(KEYS[1])
local draftId, draftHash = last(KEYS[2])
if redis.call('XLEN', KEYS[2]) .. '-0' ~= draftId then return 'broken' end
if id ~= draftId or hash ~= draftHash then return 'moved' end
redis.call('RENAME', KEYS[2], KEYS[1])
return 'done'`);

/**
 * Appends all entries after the one expected, or none. ARGV: identifier and hash of that one, then the time, by the
 * server's clock, after which nothing may be written (whoever sent it has by then reported that it was not), then six
 * values an entry.
 */
export const appendScript = script(`${readLast}
if now > tonumber(ARGV[3]) then return {'late'} end
if id ~= ARGV[1] or head ~= ARGV[2] then return {'conflict', id} end
for i = 4, #ARGV, 6 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-0', 'at', ARGV[i + 1], 'actor', ARGV[i + 2],
    'data', ARGV[i + 3], 'previous', ARGV[i + 4], 'hash', ARGV[i + 5])
end
return {'done'}`);

/** Counts one more, in a window of ARGV[1] milliseconds that begins with the first. */
export const countScript = script(`
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count`);

/**
 * Notes a server among those that are there, and forgets those that were not heard of for long. ARGV: its name for the
 * script, what it says of itself as JSON, and for how many milliseconds that holds. One key, so that a cluster keeps it
 * in one slot and the access rules of the ledger are enough.
 */
export const presenceScript = script(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local servers = cjson.decode(redis.call('GET', KEYS[1]) or '{}')
for id, server in pairs(servers) do
  if server.seenMs + tonumber(ARGV[3]) < now then servers[id] = nil end
end
local own = cjson.decode(ARGV[2])
own.seenMs = now
servers[ARGV[1]] = own
redis.call('SET', KEYS[1], cjson.encode(servers), 'PX', ARGV[3])
return 'OK'`);

/** By its hash; with its text where the server does not know it, as after a restart. */
export async function runScript(
  client: RedisClient,
  { text, sha1 }: Script,
  key: string | readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const keys = typeof key === 'string' ? [key] : key;
  try {
    return await client.evalsha(sha1, keys.length, ...keys, ...args);
  } catch (error) {
    if (!isReply(error) || !(error as Error).message.startsWith('NOSCRIPT')) throw error;
    return client.eval(text, keys.length, ...keys, ...args);
  }
}
