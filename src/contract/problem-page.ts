import { escapeHtml } from './escape-html.ts';
import { paragraph, renderPage } from './person-page.ts';
import type { Problem } from './refusals.ts';

/** Browsers name text/html; programs that would rather have JSON do not. */
export const wantsPage = (accept: string | undefined): boolean =>
  accept !== undefined && /(?:^|,)\s*text\/html\s*(?:[;,]|$)/i.test(accept.slice(0, 1024));

const texts = {
  en: {
    flow: 'Flow',
    code: 'Code',
    signIn: 'Sign in',
    help: 'Sign in to go on. The page that you wanted opens after that.',
  },
  fr: {
    flow: 'Flux',
    code: 'Code',
    signIn: 'Se connecter',
    help: "Connectez-vous pour continuer. La page que vous vouliez s'ouvrira ensuite.",
  },
} as const;

/**
 * The facts of a refusal for a person in a browser. `signIn` is the address where a browser without an agent may sign in
 * again: a help that names the agent's command is of no use to whoever has none, so the link stands in its place.
 */
export function renderProblemPage(problem: Problem, language: 'en' | 'fr', signIn?: string): string {
  const { title, help, status, code, flow_id: flowId, detail } = problem;
  const label = texts[language];
  const isForAgents = signIn !== undefined && help.includes('`postern-agent');
  const lines = [
    paragraph(isForAgents ? label.help : help),
    ...(detail === undefined ? [] : [paragraph(detail)]),
    ...(signIn === undefined
      ? []
      : [`<p><a class="button first" href="${escapeHtml(signIn)}">${label.signIn}</a></p>`]),
    `<dl><dt>${label.code}<dd>${status} ${escapeHtml(code)}`,
    flowId === undefined ? '</dl>' : `<dt>${label.flow}<dd>${escapeHtml(flowId)}</dl>`,
  ];
  return renderPage({ language, title, body: lines.join('\n'), mood: 'bad' });
}
