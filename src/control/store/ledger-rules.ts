import type { RedisSettings } from '../../contract/redis-settings.ts';
import type { Settings } from '../../contract/settings.ts';
import type { ShapeProblem } from '../../domain/check-shape.ts';

/** What the shape alone cannot say of the settings `ledger`: which of them go together. */
export const findLedgerProblems = ({ ledger }: Settings): ShapeProblem[] =>
  ledger === undefined || !('redis' in ledger)
    ? []
    : findRedisProblems(ledger.redis).map((problem) => ({
        ...problem,
        path: ['ledger', 'redis', ...problem.path],
      }));

/** The same of any Redis in the settings; paths are relative to it. */
export function findRedisProblems(redis: RedisSettings): ShapeProblem[] {
  const { url, sentinels, master, cluster, username, sentinelUsername, caFile, waitForReplicas } = redis;
  const { passwordFile, sentinelPasswordFile } = redis;
  const problems: ShapeProblem[] = [];
  const add = (key: string, message: string): void =>
    void problems.push({ path: key === '' ? [] : [key], message });

  if ([url, sentinels, cluster].filter((each) => each !== undefined).length !== 1)
    add('', 'needs exactly one of `url`, `sentinels` (with `master`) and `cluster`');
  if ((sentinels === undefined) !== (master === undefined))
    add('', '`sentinels` and `master` go together: the master is asked for by its name');
  for (const [key, urls] of Object.entries({ sentinels, cluster })) {
    if (urls === undefined) continue;
    if (new Set(urls.map((each) => each.split(':', 1)[0])).size > 1)
      add(key, 'all of them with TLS (rediss://), or none');
    if (urls.some((each) => /\/[0-9]+$/.test(each))) add(key, 'a database number goes with `url` only');
  }
  const first = url ?? sentinels?.[0] ?? cluster?.[0] ?? '';
  if (caFile !== undefined && first.startsWith('redis:'))
    add('caFile', 'is for TLS: write the addresses with rediss://');
  if (username !== undefined && passwordFile === undefined) add('username', 'needs `passwordFile` beside it');
  if (sentinelUsername !== undefined && sentinelPasswordFile === undefined)
    add('sentinelUsername', 'needs `sentinelPasswordFile` beside it');
  if ((sentinelUsername ?? sentinelPasswordFile) !== undefined && sentinels === undefined)
    add('', '`sentinelUsername` and `sentinelPasswordFile` go with `sentinels`');
  if (waitForReplicas !== undefined && waitForReplicas > 0 && cluster !== undefined)
    add('waitForReplicas', 'cannot be asked of a cluster: use min-replicas-to-write of its servers');
  return problems;
}
