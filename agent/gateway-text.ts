import type { Language } from './language.ts';
import { message } from './messages.ts';
import type { AgentStatus } from './status.ts';

/** A gateway as people tell it from others: its name, where it is, and its zone where it has one. */
export function gatewayText(
  { name, address, zone }: NonNullable<AgentStatus['gateway']>,
  language: Language,
): string {
  const place = `${name} ${address}`;
  return zone === undefined ? place : message(language, 'gateway-in-zone', { place, zone });
}

/** What would take over if the gateway were lost; undefined where there is no other that could. */
export function standbyText(
  { standby, gatewaysNamed }: Pick<AgentStatus, 'standby' | 'gatewaysNamed'>,
  language: Language,
): string | undefined {
  if (standby !== undefined) return gatewayText(standby, language);
  return gatewaysNamed > 1 ? message(language, 'standby-missing') : undefined;
}
