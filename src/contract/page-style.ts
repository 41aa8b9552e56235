import { createHash } from 'node:crypto';

/**
 * All that a page of ours looks like, whoever shows it: gateway, control plane or agent. As readable on a telephone and in
 * the dark. Nothing comes from elsewhere, and nothing on it is a script.
 */
export const style = [
  ':root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1b1f24;--soft:#59636e;--line:#d8dee4;--link:#0a58ca;--good:#1a7f37;--wait:#9a6700;--bad:#b42318}',
  '@media(prefers-color-scheme:dark){:root{--back:#0f1318;--card:#181e25;--text:#e6edf3;--soft:#9aa6b2;--line:#303841;--link:#79b8ff;--good:#4ac26b;--wait:#e3b341;--bad:#ff8a80}}',
  '*{box-sizing:border-box}',
  'body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif}',
  'main{max-width:44rem;margin:0 auto;padding:1.5rem 1rem 3rem}',
  'header{color:var(--soft);margin-bottom:1rem}',
  'h1{font-size:1.6rem;line-height:1.25;margin:0;text-wrap:balance}h2{font-size:1.1rem;margin:0 0 .75rem}',
  'section,details{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.25rem;margin-bottom:1rem}',
  '.hero{border-left:6px solid var(--mood,var(--line))}.hero p{margin:.5rem 0 1rem}.hero>:last-child{margin-bottom:0}',
  '.good{--mood:var(--good)}.wait{--mood:var(--wait)}.bad{--mood:var(--bad)}',
  'a{color:var(--link)}',
  'form{display:flex;flex-wrap:wrap;gap:.5rem;margin:0}',
  'button,.button{font:inherit;color:var(--text);background:var(--card);border:1px solid var(--soft);border-radius:8px;padding:.5rem 1rem;min-height:44px;cursor:pointer;text-decoration:none;display:inline-block}',
  '.first{background:var(--link);border-color:var(--link);color:var(--card)}',
  'button:focus-visible,a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}',
  'ul{list-style:none;margin:0;padding:0}li{padding:.75rem 0;border-top:1px solid var(--line)}li:first-child{border-top:0;padding-top:0}li:last-child{padding-bottom:0}',
  '.row{display:flex;flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;align-items:baseline}',
  '.row>:first-child{font-weight:600;overflow-wrap:anywhere}',
  'small,.soft{color:var(--soft);font-size:.875rem}li p{margin:.25rem 0 0}',
  '.mark{color:var(--mood);font-weight:600;white-space:nowrap}',
  'code{font-family:ui-monospace,monospace;font-size:.875rem;overflow-wrap:anywhere}',
  'summary{cursor:pointer}table{border-collapse:collapse;margin-top:1rem;width:100%}',
  'th,td{text-align:left;vertical-align:top;padding:.25rem 1rem .25rem 0;font-size:.875rem;font-weight:400;overflow-wrap:anywhere}th{color:var(--soft);white-space:nowrap}',
  '@media(max-width:30rem){th,td{display:block;padding-right:0}th:not(:empty){padding-top:.5rem}}',
  'dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem;margin:1rem 0 0;padding-top:1rem;border-top:1px solid var(--line);font-size:.875rem}dt{color:var(--soft)}dd{margin:0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}',
].join('');

const policyWith = (formAction: string): string =>
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; ` +
  `form-action ${formAction}; base-uri 'none'; frame-ancestors 'none'`;

/** Content-Security-Policy of our pages: only this very style sheet, nothing sent, and no frame around them. */
export const pagePolicy = policyWith("'none'");

/** The same for a page that has a form for its own server. */
export const formPolicy = policyWith("'self'");
