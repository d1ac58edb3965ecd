import { DARK_LOOK, LIGHT_LOOK, type Look } from "./page/look.ts";
import { PLOT_INSETS } from "./page/drawing.ts";

/** The page's style: light and dark by one set of names, and paper. */

function names(look: Look, soft: string, page: string, accent: string): string {
  return `--ink:${look.ink};--muted:${look.muted};--line:${look.grid};--paper:${look.paper};--mark:${look.mark};--limit:${look.limit};--soft:${soft};--page:${page};--accent:${accent};`;
}

const LIGHT = `color-scheme:light;${names(LIGHT_LOOK, "#eef2f7", "#f5f7fa", "#0b5fa5")}`;
const DARK = `color-scheme:dark;${names(DARK_LOOK, "#212a36", "#0e131a", "#7cc0ff")}`;

export const STYLE = `
:root{${LIGHT}}
@media screen and (prefers-color-scheme:dark){:root:not([data-theme=light]){${DARK}}
:root:not([data-theme=light]) .sample{--now:var(--dark)}}
@media screen{:root[data-theme=dark]{${DARK}}:root[data-theme=dark] .sample{--now:var(--dark)}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{scroll-padding-top:5rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:1rem;top:1rem;z-index:30;background:var(--paper);padding:.5rem 1rem}
.spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
body>header,main,nav,footer{max-width:1180px;margin:0 auto;padding:0 1.25rem}
body>header{padding-top:2rem}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2.5rem 0 .25rem;overflow-wrap:anywhere}
h3{font-size:1.02rem;margin:0;overflow-wrap:anywhere}
.about,figcaption p,.lead{color:var(--muted);margin:.1rem 0 .75rem;max-width:75ch;overflow-wrap:anywhere}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(10.5rem,45%),1fr));gap:.75rem 1.25rem;margin:1.25rem 0}
dl.facts div{min-width:0}dt{color:var(--muted);font-size:.8rem}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.notes{list-style:none;margin:1rem 0;padding:0;display:grid;gap:.5rem}
.notes li{background:var(--soft);border-left:4px solid var(--accent);border-radius:4px;padding:.5rem .75rem}
.notes li.warning{border-left-color:var(--mark)}
.notes b{margin-right:.4rem}
nav ol{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:.75rem 0;padding:0}
.controls{position:sticky;top:0;z-index:20;background:var(--page);border-block:1px solid var(--line)}
.controls>div{max-width:1180px;margin:0 auto;padding:.5rem 1.25rem;display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:center}
.controls .buttons{display:flex;gap:.25rem;flex-wrap:wrap}
.controls output{font-variant-numeric:tabular-nums;flex:1 1 19rem;font-size:.9rem}
.controls label{display:flex;gap:.4rem;align-items:center;color:var(--muted);font-size:.85rem}
button,select{font:inherit;font-size:.85rem;color:var(--ink);background:var(--paper);border:1px solid color-mix(in srgb,var(--muted) 55%,transparent);border-radius:6px;padding:.25rem .6rem;min-height:2rem;cursor:pointer;max-width:16rem}
button:hover,select:hover{border-color:var(--accent)}
.chart{margin:1rem 0 1.5rem;padding:1rem 1.1rem;background:var(--paper);border:1px solid var(--line);border-radius:10px}
.plot{position:relative;height:330px;margin:0 -.4rem;touch-action:pan-y;cursor:crosshair;border-radius:6px;user-select:none}
.plot .canvas,.plot .canvas>div{width:100%!important}
.cursor{position:absolute;top:${PLOT_INSETS.top}px;bottom:${PLOT_INSETS.bottom}px;width:1px;background:var(--ink);opacity:.55;pointer-events:none}
.band{position:absolute;top:${PLOT_INSETS.top}px;bottom:${PLOT_INSETS.bottom}px;background:var(--accent);opacity:.18;pointer-events:none}
.tip{position:absolute;top:${PLOT_INSETS.top}px;z-index:10;max-width:min(24rem,60%);background:var(--paper);border:1px solid var(--muted);border-radius:8px;padding:.5rem .65rem;font-size:.82rem;line-height:1.4;box-shadow:0 4px 16px rgb(0 0 0/.18);pointer-events:none}
.tip .when{font-weight:600;font-variant-numeric:tabular-nums;margin-bottom:.2rem}
.tip .row{display:flex;gap:.45rem;align-items:baseline}.tip .what{flex:1;min-width:0;overflow-wrap:anywhere}
.tip b{font-variant-numeric:tabular-nums}.tip .row b{white-space:nowrap}
.tip .dot{width:.6rem;height:.6rem;border-radius:50%;flex:none}
.tip .more{color:var(--muted)}.tip .happened{border-top:1px solid var(--line);margin-top:.35rem;padding-top:.3rem;overflow-wrap:anywhere}
.legend{display:flex;flex-wrap:wrap;gap:.1rem .3rem;margin:.35rem 0 .5rem}
.legend button{min-height:1.65rem;display:inline-flex;gap:.45rem;align-items:center;border-color:transparent;background:none;max-width:100%;padding:.15rem .45rem;text-align:left;overflow-wrap:anywhere}
.legend button:hover{background:var(--soft)}
.legend button[aria-pressed=false]{color:var(--muted);text-decoration:line-through}
.legend button[aria-pressed=false] .sample{opacity:.3}
.sample{--now:var(--light);flex:none;overflow:visible;stroke:var(--now);fill:var(--now)}
.sample circle,.sample rect,.sample path+path{stroke-width:1.5}
.sample .hollow{fill:var(--paper)}
details summary{cursor:pointer;color:var(--accent);font-size:.85rem;width:fit-content}
.scroll{overflow-x:auto;margin:.5rem 0;border:1px solid var(--line);border-radius:8px;background:var(--paper)}
table{border-collapse:collapse;width:100%;font-size:.83rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.5rem .65rem;color:var(--muted)}
th,td{padding:.35rem .65rem;text-align:left;vertical-align:top;border-top:1px solid var(--line);unicode-bidi:isolate}
thead th{white-space:nowrap;background:var(--soft)}
tbody th{font-weight:600}tbody th:not(.number){min-width:9.5rem;max-width:24rem;overflow-wrap:anywhere}
.wide table{font-size:.8rem}.wide th,.wide td{padding-inline:.5rem}.wide thead th{white-space:normal}
time,td.number{white-space:nowrap}
.number{text-align:right}
.empty{background:var(--soft);border-radius:8px;padding:.75rem 1rem;color:var(--ink)}
.advice{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;margin:.75rem 0}
.advice p{max-width:80ch;margin:.4rem 0}.advice dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.5rem 1.5rem;margin:.75rem 0}
pre{max-width:100%;background:var(--soft);border-radius:6px;padding:.6rem .8rem;overflow-x:auto;margin:.5rem 0 0}
footer{color:var(--muted);font-size:.85rem;padding-block:2.5rem}
@media (max-width:640px){body>header,main,nav,footer{padding-inline:.75rem}.controls{position:static}.controls>div{padding-inline:.75rem}.chart{padding:.8rem .7rem}.plot{height:280px}.tip{max-width:75%}}
@media (max-width:640px){.advice{padding:.8rem .7rem}.lead time,footer time,dd time{white-space:normal}}
@media print{
@page{size:A4;margin:14mm}
body{background:#fff;font-size:10.5pt}
.controls,.skip,nav,details,.legend button[aria-pressed=false],.cursor,.tip,.band{display:none!important}
body>header,main,footer{max-width:none;padding:0}
.chart{break-inside:avoid;border:0;padding:0;margin:0 0 8mm}
.plot{height:auto;margin:0}
.plot svg{position:static!important;display:block;width:100%!important;height:auto!important}
.plot .canvas>div{position:static!important;height:auto!important}
.legend button{font-size:8pt;min-height:0;padding:0 2mm 0 0}
.advice,tr,.notes li,dl.facts div,.about{break-inside:avoid}
h2,h3,figcaption,caption,.about{break-after:avoid}
tbody th:not(.number){min-width:22mm}
.scroll{overflow:visible;border:0}
table{font-size:7.5pt}th,td{padding:1mm 1.2mm}thead th,caption{white-space:normal}
.wide table{font-size:6.5pt}
a{color:inherit;text-decoration:none}
}
`;
