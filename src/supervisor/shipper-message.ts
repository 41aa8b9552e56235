import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ShipperMessage } from '../contract/ipc.ts';

const strict = { additionalProperties: false } as const;
const Count = Type.Number({ minimum: 0 });

const Message = Type.Object(
  {
    type: Type.Literal('sink-health'),
    sinks: Type.Array(
      Type.Object(
        {
          name: Type.String({ maxLength: 63 }),
          type: Type.String({ maxLength: 63 }),
          lagRecords: Count,
          lagSeconds: Count,
          delivered: Count,
          refused: Count,
          problem: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Undefined()])),
        },
        strict,
      ),
      { maxItems: 32 },
    ),
  },
  strict,
);
const validator = Compile(Message);

/** Whether a message of the process that delivers records is one: it meets the network, so that it is read as input. */
export const isShipperMessage = (message: unknown): message is ShipperMessage => validator.Check(message);
