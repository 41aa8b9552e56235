import { escapeHtml } from '../../src/contract/escape-html.ts';
import { postureCriteria } from '../../src/contract/posture.ts';
import { refusals as refusalTexts } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import type { Language } from '../language.ts';
import { gatewayText, standbyText } from '../gateway-text.ts';
import { timeText } from '../local-time.ts';
import type { AppEntry } from '../proxy/app-hosts.ts';
import { statusRows } from '../status-rows.ts';
import type { AgentStatus } from '../status.ts';
import type { WhyReport } from '../why/report.ts';
import { conclude } from '../why/lines.ts';
import { criterionNames, fill, postureHelp, stepNames, whyText } from '../why/words.ts';
import type { Action } from './actions.ts';
import { frame } from './frame.ts';
import type { Refused } from './recent-refusals.ts';
import { headlines, otherHeadline, pageWords } from './words.ts';

/** What the page shows beside the status. */
export interface PageParts {
  readonly status: AgentStatus;
  /** The latest first. */
  readonly refusals: readonly Refused[];
  /** Proof that a form is of this page: no other site can read it. */
  readonly token: string;
  readonly language: Language;
}

/** How it is, for the person at the laptop: no script, nothing from elsewhere. */
export function buildStatusPage({ status, refusals, token, language }: PageParts): string {
  const word = (key: keyof typeof pageWords): string => escapeHtml(pageWords[key][language]);
  return frame(
    language,
    [
      `<header>Postern · ${escapeHtml(status.device)} · ${escapeHtml(status.signedIn?.user ?? status.user)}</header>`,
      hero(status, token, language),
      `<section><h2>${word('applications')}</h2>${list(
        status.apps.map((app) => appRow(app, language)),
        word('no-applications'),
      )}</section>`,
      `<section><h2>${word('laptop')}</h2>${list(postureRows(status, language), word('posture-unknown'))}</section>`,
      `<section><h2>${word('refusals')}</h2>${list(
        refusals.map((one) => refusalRow(one, language)),
        word('no-refusals'),
      )}</section>`,
      `<details><summary>${word('details')}</summary><table>${statusRows(status, language)
        .map(
          ([label, text]) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(text)}</td></tr>`,
        )
        .join('')}</table></details>`,
    ].join(''),
  );
}

/** The walk to one application, step by step. */
export function buildWhyPage(report: WhyReport, language: Language): string {
  const app = escapeHtml(report.app ?? report.asked);
  const title = report.ok
    ? whyText(language, conclude(report), { app })
    : fill(pageWords['why-bad'][language], { app });
  const steps = report.steps.map(({ step, outcome, text = '', code, help, flowId }) => {
    const mood = { ok: 'good', failed: 'bad', unknown: 'wait' }[outcome];
    const mark = { ok: '✓', failed: '✗', unknown: '·' }[outcome];
    return (
      `<li class="${mood}"><div class="row"><span>${escapeHtml(stepNames[step][language])}</span>` +
      `<span class="mark">${mark}</span></div>` +
      (text === '' ? '' : `<p class="soft">${escapeHtml(text)}</p>`) +
      (help === undefined ? '' : `<p>${escapeHtml(help)}</p>`) +
      (code === undefined
        ? ''
        : `<p><code>${escapeHtml([code, flowId].filter(Boolean).join(' '))}</code></p>`) +
      '</li>'
    );
  });
  return frame(
    language,
    `<header>Postern</header><section class="hero ${report.ok ? 'good' : 'bad'}"><h1>${title}</h1></section>` +
      `<section><ul>${steps.join('')}</ul></section>` +
      `<p><a href="/">${escapeHtml(pageWords.back[language])}</a></p>`,
  );
}

const list = (rows: readonly string[], otherwise: string): string =>
  rows.length === 0 ? `<p class="soft">${otherwise}</p>` : `<ul>${rows.join('')}</ul>`;

function hero(status: AgentStatus, token: string, language: Language): string {
  const { mood, text, advice } = headlines[status.state] ?? otherHeadline;
  // What refused the laptop says best what to do.
  const code = status.probe.gateway.code ?? status.probe.control.code;
  const help =
    status.state === 'refused' && code !== undefined && Object.hasOwn(refusalTexts, code)
      ? `${refusalTexts[code as RefusalCode].title[language]}. ${refusalTexts[code as RefusalCode].help[language]}`
      : advice[language];
  const actions: readonly Action[] = [
    ...(status.state === 'sign-in-required' ? (['sign-in'] as const) : []),
    'measure',
    'reconnect',
    ...(status.signedIn === undefined ? [] : (['sign-out'] as const)),
  ];
  const portal =
    status.portal === undefined
      ? ''
      : `<a class="button first" rel="noreferrer" href="${escapeHtml(status.portal.url)}">${escapeHtml(pageWords['open-portal'][language])}</a>`;
  const buttons = actions.map((action, index) => {
    const isFirst = index === 0 && portal === '' && mood !== 'good';
    return `<button name="action" value="${action}"${isFirst ? ' class="first"' : ''}>${escapeHtml(pageWords[action][language])}</button>`;
  });
  return (
    `<section class="hero ${mood}"><h1>${escapeHtml(text[language])}</h1><p>${escapeHtml(help)}</p>` +
    wayLines(status, language) +
    `<form method="post" action="/action"><input type="hidden" name="token" value="${token}">${portal}${buttons.join('')}</form></section>`
  );
}

/** Through which gateway, in which zone, and what is ready to take over: only while it carries. */
function wayLines(status: AgentStatus, language: Language): string {
  const { gateway, probe } = status;
  if (gateway === undefined || !probe.gateway.ok) return '';
  const standby = standbyText(status, language);
  const lines = [
    fill(pageWords.through[language], { gateway: gatewayText(gateway, language) }),
    ...(standby === undefined ? [] : [fill(pageWords.standby[language], { standby })]),
  ];
  return `<p class="soft">${lines.map(escapeHtml).join('<br>')}</p>`;
}

function appRow({ name, host, protocol, ports }: AppEntry, language: Language): string {
  const shown = escapeHtml(name);
  const place = escapeHtml(protocol === 'http' ? host : `${host}:${ports.join(', ')}`);
  const link = protocol === 'http' ? `<a href="https://${escapeHtml(host)}/">${shown}</a>` : shown;
  const why = `<a href="/why/${escapeHtml(encodeURIComponent(name))}">${escapeHtml(pageWords.check[language])}</a>`;
  const kind = protocol === 'http' ? '' : ` · ${escapeHtml(protocol)}`;
  return `<li><div class="row"><span>${link}</span><small>${why}</small></div><small>${place}${kind}</small></li>`;
}

function postureRows({ posture }: AgentStatus, language: Language): string[] {
  if (posture === undefined) return [];
  return postureCriteria.map((criterion) => {
    const value = posture.checks[criterion];
    const mood = value === true ? 'good' : value === false ? 'bad' : 'wait';
    const mark = value === true ? 'good' : value === false ? 'bad' : 'unsure';
    const reason = posture.reasons[criterion] ?? '';
    const help = value === true ? '' : `<p>${escapeHtml(postureHelp[criterion][language])}</p>`;
    return (
      `<li class="${mood}"><div class="row"><span>${escapeHtml(criterionNames[criterion][language])}</span>` +
      `<span class="mark">${escapeHtml(pageWords[mark][language])}</span></div>${help}` +
      `<small lang="en">${escapeHtml(reason)}</small></li>`
    );
  });
}

function refusalRow({ code, title, help, flowId, host, at }: Refused, language: Language): string {
  const known = Object.hasOwn(refusalTexts, code) ? refusalTexts[code as RefusalCode] : undefined;
  const advice = known?.help[language] ?? help ?? '';
  const place = host === undefined ? '' : `<small>${escapeHtml(host)}</small>`;
  const flow =
    flowId === undefined
      ? ''
      : `<p><small>${escapeHtml(pageWords.flow[language])} <code>${escapeHtml(flowId)}</code></small></p>`;
  return (
    `<li><div class="row"><span>${escapeHtml(known?.title[language] ?? title)}</span>` +
    `<small>${escapeHtml(timeText(Math.floor(at / 1000)))}</small></div>${place}<p>${escapeHtml(advice)}</p>${flow}</li>`
  );
}
