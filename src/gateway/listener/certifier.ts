import type { WorkerToControl } from '../../contract/ipc.ts';
import type { App } from '../../domain/resources.ts';

/** Asks the control process to certify apps; the private keys stay here. */
export interface Certifier {
  /** Rejects when it is refused. */
  certify(app: App, csrPem: string): Promise<string>;
  certified(id: number, certificatePem: string): void;
  refused(id: number, detail: string): void;
  /** Puts all open questions again: who was asked is gone. */
  askAgain(): void;
}

interface Question {
  readonly app: string;
  readonly csr: string;
  readonly resolve: (certificatePem: string) => void;
  readonly reject: (error: Error) => void;
}

export function createCertifier(send: (message: WorkerToControl) => void): Certifier {
  const questions = new Map<number, Question>();
  let lastId = 0;
  const take = (id: number): Question | undefined => {
    const question = questions.get(id);
    questions.delete(id);
    return question;
  };
  return {
    certify: (app, csr) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        questions.set(id, { app: app.name, csr, resolve, reject });
        send({ type: 'certify-app', id, app: app.name, csr });
      }),
    certified: (id, certificatePem) => take(id)?.resolve(certificatePem),
    refused: (id, detail) => take(id)?.reject(new Error(`not certified: ${detail}`)),
    askAgain() {
      for (const [id, { app, csr }] of questions) send({ type: 'certify-app', id, app, csr });
    },
  };
}
