/** A run of the demo as one HTML file that needs nothing else, and its figures as plain rows. */
export {
  type AdaptedDifference,
  type AdaptedReport,
  type AdaptedSide,
  adaptedHtml,
  MOST_DIFFERENCES,
} from './adapted.ts';
export { milliseconds, percent, times } from './format.ts';
export { reportHtml } from './report.ts';
export { type ExplainedFigure, explainedFigures, summaryTable } from './summary-table.ts';
export type { CurvePoint, Example, ExitReport, Reference, ReportData, Summary } from './types.ts';
