import { GatewayError } from '../../contract/gateway-error.ts';
import { refusals } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';

export function isRefusal(result: unknown): result is Refusal {
  return (
    typeof result === 'object' &&
    result !== null &&
    'code' in result &&
    typeof result.code === 'string' &&
    Object.hasOwn(refusals, result.code)
  );
}

/** The value, or the refusal thrown so that the one error handler renders it. */
export function orThrow<Value>(result: Value | Refusal): Value {
  if (isRefusal(result))
    throw new GatewayError(result.code, result.detail === undefined ? {} : { detail: result.detail });
  return result;
}
