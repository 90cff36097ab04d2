import { createHash } from 'node:crypto';
import { patterns } from './chart.ts';
import { type Html, html, trusted } from './html.ts';
import { style } from './style.ts';

/** The theme button: without scripts it stays hidden and the page follows the system. */
const script = `(()=>{const b=document.getElementById('theme'),r=document.documentElement,q=matchMedia('(prefers-color-scheme: dark)');const dark=()=>r.dataset.theme?r.dataset.theme==='dark':q.matches;const say=()=>{b.textContent=dark()?'Light':'Dark'};b.hidden=false;b.onclick=()=>{r.dataset.theme=dark()?'light':'dark';say()};q.addEventListener('change',say);say()})()`;

/** The page may load nothing and run nothing but its own button. */
const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'; base-uri 'none'; form-action 'none'`;

export interface Page {
  readonly title: string;
  readonly header: Html;
  readonly main: readonly Html[];
  readonly footer: Html;
}

/** A whole document in one file. */
export const page = ({ title, header, main, footer }: Page): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
${patterns}
<header>
<button id="theme" type="button" aria-label="Switch between light and dark" hidden></button>
${header}
</header>
<main>
${main.map(
  (part) => html`${part}
`,
)}</main>
<footer>${footer}</footer>
<script>${trusted(script)}</script>
</body>
</html>
`.text;
