import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { unknown } from './posture-check.ts';
import type { Finding, PostureCheck } from './posture-check.ts';

/** libnftables-json(5), only what is looked at. */
const Ruleset = Type.Object({
  nftables: Type.Array(
    Type.Object({
      chain: Type.Optional(
        Type.Object({
          family: Type.String(),
          table: Type.String(),
          name: Type.String(),
          hook: Type.Optional(Type.String()),
          policy: Type.Optional(Type.String()),
        }),
      ),
      rule: Type.Optional(
        Type.Object({
          family: Type.String(),
          table: Type.String(),
          chain: Type.String(),
          expr: Type.Array(Type.Record(Type.String(), Type.Unknown())),
        }),
      ),
    }),
  ),
});

/** A chain of incoming packets that lets through only what it names: by its policy, or by its last rule. */
export function refusesByDefault(output: string): boolean {
  const ruleset: unknown = JSON.parse(output);
  if (!Value.Check(Ruleset, ruleset)) throw new Error('nft answered something else');
  return ruleset.nftables.some(({ chain }) => {
    if (chain?.hook !== 'input') return false;
    if (chain.policy === 'drop') return true;
    const rules = ruleset.nftables.flatMap(({ rule }) =>
      rule?.table === chain.table && rule.family === chain.family && rule.chain === chain.name ? [rule] : [],
    );
    // One expression only: with a match before it, it would be about some packets and not about the rest.
    const [verdict, ...conditions] = rules.at(-1)?.expr.filter((part) => !('counter' in part)) ?? [];
    return conditions.length === 0 && verdict !== undefined && ('drop' in verdict || 'reject' in verdict);
  });
}

export const firewallEnabled: PostureCheck = {
  criterion: 'firewallEnabled',
  async check({ platform, privileged, run }): Promise<Finding> {
    if (platform !== 'linux') return unknown(`no check for ${platform} yet`);
    if (!privileged) return unknown('only root may read the packet filter');
    return refusesByDefault(await run('/usr/sbin/nft', ['-j', 'list', 'ruleset']))
      ? { value: true, reason: 'incoming connections are refused unless allowed' }
      : { value: false, reason: 'no chain refuses incoming connections' };
  },
};
