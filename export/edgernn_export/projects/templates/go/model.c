#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* cgo refuses -ffp-contract=off, which gcc has by itself in C99 */
#endif
$source
