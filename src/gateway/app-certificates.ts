import { createKeyAndRequest } from '../../certs/request.ts';
import type { ControlToWorker, WorkerToControl } from '../contract/ipc.ts';
import type { ServerIdentity } from './gateway-parts.ts';

type CertificateAnswer = Extract<ControlToWorker, { type: 'app-certificate' | 'app-certificate-refused' }>;

/** Has keys of this worker certified by the control process: only the request leaves it, never the key. */
export interface AppCertificates {
  identityOf(app: string): Promise<ServerIdentity>;
  receive(answer: CertificateAnswer): void;
}

const answerTimeoutMs = 10_000;

export function createAppCertificates(send: (message: WorkerToControl) => void): AppCertificates {
  const waiting = new Map<number, (answer: CertificateAnswer | undefined) => void>();
  let lastId = 0;
  return {
    async identityOf(app) {
      const { privateKeyPem, csrPem } = await createKeyAndRequest();
      const id = ++lastId;
      const answer = await new Promise<CertificateAnswer | undefined>((resolve) => {
        const timer = setTimeout(() => settle(undefined), answerTimeoutMs);
        const settle = (value: CertificateAnswer | undefined): void => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(value);
        };
        waiting.set(id, settle);
        send({ type: 'certify-app', id, app, csr: csrPem });
      });
      if (answer === undefined) throw new Error('the control process did not answer');
      if (answer.type === 'app-certificate-refused') throw new Error(answer.detail);
      return { certificatePem: answer.certificatePem, privateKeyPem };
    },
    receive: (answer) => waiting.get(answer.id)?.(answer),
  };
}
