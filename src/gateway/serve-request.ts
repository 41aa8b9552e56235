import { answerRefusal, breakOff } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';
import type { Grant } from './grants.ts';
import { runPipeline } from './pipeline.ts';
import { recordExchange } from './record.ts';

/** One request: through the pipeline, to the upstream and back, held to its grant, recorded at its end. */
export function serveRequest(core: GatewayCore, exchange: Exchange, expectsContinue: boolean): void {
  core.counters.requests += 1;
  runPipeline(
    core,
    exchange,
    ({ subject, app, grant: { request } }) => {
      if (expectsContinue) exchange.response.writeContinue();
      const headers = core.forwardedHeaders.add(
        exchange,
        subject,
        app,
        Math.floor(exchange.startedAt / 1000),
      );
      const grant: Grant = {
        connection: exchange.origin.connection,
        app,
        request,
        cut: (why) => {
          abort();
          if (!exchange.response.headersSent) return answerRefusal(core, exchange, why);
          recordExchange(core.recorder, exchange, { refusal: why, endedBy: 'gateway', endedAt: core.now() });
          breakOff(exchange);
        },
      };
      core.live.hold(grant);
      const abort = core.forwarder.forward(exchange, app, headers, {
        answered: (status, last) => {
          core.live.release(grant);
          if (recordExchange(core.recorder, exchange, { status, endedBy: 'upstream', endedAt: core.now() }))
            core.recorder.whenWritten(last);
        },
        failed: (refusal, headSent) => {
          core.live.release(grant);
          if (!headSent) return answerRefusal(core, exchange, refusal);
          recordExchange(core.recorder, exchange, { refusal, endedBy: 'upstream', endedAt: core.now() });
          breakOff(exchange);
        },
        clientGone: () => {
          core.live.release(grant);
          recordExchange(core.recorder, exchange, { endedBy: 'client', endedAt: core.now() });
        },
      });
    },
    (refusal) => answerRefusal(core, exchange, refusal),
  );
}
