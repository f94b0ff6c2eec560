"""Networks of arbitrary scale (LIIF, LTE, MetaSR, CiaoSR), their encoders and their queries."""
