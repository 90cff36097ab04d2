/** Colours of both themes. Text colours keep 4.5:1 and graphic colours 3:1 against `paper` and `card`. */
export const themes = {
  light: {
    paper: '#faf9f6',
    card: '#ffffff',
    ink: '#1c2126',
    muted: '#565f68',
    rule: '#dcd8cf',
    accent: '#0a6b70',
    band: '#dcefec',
    wrong: '#b3301a',
    second: '#8a5900',
    third: '#6a4bb0',
    fourth: '#2c5fa8',
    fifth: '#5c6b12',
  },
  dark: {
    paper: '#15181b',
    card: '#1c2024',
    ink: '#e7e4dd',
    muted: '#a5adb5',
    rule: '#353b41',
    accent: '#5fc9c2',
    band: '#20393a',
    wrong: '#ff8d73',
    second: '#e3b052',
    third: '#bda4f5',
    fourth: '#86b4f0',
    fifth: '#b7c75a',
  },
} as const;

const variables = (theme: Readonly<Record<string, string>>): string =>
  Object.entries(theme)
    .map(([name, colour]) => `--${name}:${colour};`)
    .join('');

const dark = `color-scheme:dark;${variables(themes.dark)}`;

export const style = `
:root{color-scheme:light;${variables(themes.light)}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}
:root[data-theme=dark]{${dark}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:break-word}
header,main,footer{max-width:1040px;margin:0 auto;padding:0 20px}
header{padding-top:28px;position:relative}
h1{font-size:1.9rem;line-height:1.2;margin:.1em 0 .3em;font-weight:650;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 .3em;font-weight:650}
h3{font-size:1rem;margin:1.6em 0 .3em;font-weight:650;overflow-wrap:anywhere}
h4{font-size:.84rem;margin:.9em 0 .4em;font-weight:600;color:var(--muted)}
p{margin:.4em 0;max-width:68ch}
small,.small{font-size:.84rem}
.muted,figcaption,.lede{color:var(--muted)}
.lede{font-size:1.06rem}
.eyebrow{margin:0;font-size:.84rem;color:var(--muted)}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:14px 0 0;padding:0;font-size:.92rem}
nav a{display:inline-block;padding:5px 0}
button{font:inherit;font-size:.84rem;color:var(--ink);background:var(--card);border:1px solid var(--muted);border-radius:6px;padding:5px 12px;cursor:pointer}
#theme{position:absolute;top:24px;right:20px}
section{margin:44px 0;scroll-margin-top:16px}
.strip{display:grid;grid-template-columns:repeat(3,1fr) 1.7fr;margin:24px 0 0;border:1px solid var(--rule);border-radius:10px;background:var(--card)}
.strip>div{padding:16px 18px;border-left:1px solid var(--rule);min-width:0}
.strip>div:first-child{border-left:0}
.strip dt{font-size:.84rem;color:var(--muted)}
.strip dd{margin:0}
.strip .figure{font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.strip .words{font-size:1.3rem;line-height:1.75}
.strip .small{color:var(--muted);line-height:1.4}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:20px 28px;margin-top:14px}
.chart{margin:0;min-width:0;max-width:490px}
.chart svg{display:block;width:100%;height:auto;overflow:visible;--plot-background:var(--paper)}
.chart svg text{white-space:pre}
.charts.narrow .chart{max-width:360px}
.chart figcaption{font-size:.84rem;line-height:1.4}
.chart figcaption b{color:var(--ink);font-weight:600;font-size:.92rem;overflow-wrap:anywhere}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:4px 22px;margin:12px 0 0;padding:0;font-size:.88rem}
.key li{display:flex;gap:7px;align-items:center}
.key svg{width:16px;height:16px;flex:none}
.scroll{overflow-x:auto;margin-top:12px}
table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;color:var(--muted);font-size:.84rem;padding-bottom:6px}
th,td{text-align:right;padding:7px 12px;border-bottom:1px solid var(--rule);font-weight:400;vertical-align:top;white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}
thead th{color:var(--muted);font-size:.84rem;vertical-align:bottom}
tbody th{font-weight:600;white-space:normal}
.chosen{background:var(--band)}
.bars td{width:38%}
.bars thead th,.explained thead th:last-child{text-align:left}
.bars th{overflow-wrap:anywhere;white-space:normal;min-width:60px}
.bar{display:flex;align-items:center;gap:10px}
.bar i{flex:1;height:12px;border-radius:3px;background:var(--rule);overflow:hidden;min-width:40px}
.bar i b{display:block;height:100%;background:var(--accent)}
.bar.right i b{background:var(--fourth)}
.bar span{min-width:4.6em;text-align:right}
.explained td:last-child{text-align:left;white-space:normal;color:var(--muted);width:58%}
.explained td:nth-child(2){font-weight:600}
.explained th{font-weight:400}
.explained th[scope=rowgroup]{font-weight:650;padding-top:20px;text-align:left}
.images{list-style:none;display:grid;grid-template-columns:repeat(auto-fill,minmax(100px,1fr));gap:10px;margin:0;padding:0}
.images li{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px;font-size:.8rem;line-height:1.35;text-align:center;overflow-wrap:anywhere}
.images li.wrong{border:2px dashed var(--wrong);padding:7px}
.images img{display:block;margin:0 auto 6px;width:64px;height:64px;object-fit:contain;border-radius:3px;background:var(--paper)}
.images img.small-pixels{image-rendering:pixelated}
.images .said{display:block;color:var(--wrong);font-weight:600}
.images .sure{display:block;color:var(--muted);font-variant-numeric:tabular-nums}
details{margin-top:12px}
summary{cursor:pointer;color:var(--accent);font-size:.92rem;padding:4px 0}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:6px 20px;margin:12px 0 0;font-size:.92rem}
dl.facts dt{color:var(--muted)}
dl.facts dd{margin:0;min-width:0;overflow-wrap:anywhere}
pre{margin:0;padding:10px 14px;background:var(--card);border:1px solid var(--rule);border-radius:8px;overflow-x:auto;font-size:.88rem}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.notes{padding-left:1.2em;max-width:72ch}
.notes li{margin:.3em 0;overflow-wrap:anywhere}
footer{padding-top:8px;padding-bottom:40px;color:var(--muted);font-size:.84rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:860px){.strip{grid-template-columns:repeat(3,1fr)}.strip>div:nth-child(4){grid-column:1/-1;border-left:0;border-top:1px solid var(--rule)}}
@media (max-width:560px){
header,main,footer{padding-left:16px;padding-right:16px}
#theme{right:16px}
h1{font-size:1.5rem}
.strip{grid-template-columns:1fr 1fr}
.strip>div{padding:12px 14px}
.strip>div:nth-child(3),.strip>div:nth-child(4){grid-column:1/-1;border-left:0;border-top:1px solid var(--rule)}
.strip .figure{font-size:1.45rem}
.strip .words{font-size:1.2rem}
section{margin:34px 0}
.images{grid-template-columns:repeat(auto-fill,minmax(76px,1fr));gap:6px}
.images li{padding:6px 4px}
.images li.wrong{padding:5px 3px}
th,td{padding:7px 8px}
.bars .bar{flex-direction:column;align-items:stretch;gap:4px}
.bars .bar i{flex:none}
.bars .bar span{text-align:left;min-width:0}
.explained tr{display:grid;grid-template-columns:1fr auto;border-bottom:1px solid var(--rule);padding:7px 0}
.explained th,.explained td{border:0;padding:0}
.explained td:last-child{grid-column:1/-1;width:auto}
.explained thead{display:none}
dl.facts{grid-template-columns:1fr;gap:0}
dl.facts dd{margin-bottom:8px}
}
@media print{#theme,nav{display:none}section{break-inside:avoid}.images li{break-inside:avoid}}
`.trim();
