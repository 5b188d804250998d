use super::*;

#[test]
fn an_outlier_moves_neither_median_nor_spread() {
    let calm = Spread::of([1.0, 2.0, 3.0, 4.0, 5.0]);
    let wild = Spread::of([1.0, 2.0, 3.0, 4.0, 500.0]);
    assert_eq!(calm, wild);
    assert_eq!((calm.median, calm.mad), (3.0, 1.0));
}

#[test]
fn percentiles_are_values_that_were_there() {
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!(percentile(values.clone(), 0.99), 198.0);
    assert_eq!(percentile(values.clone(), 0.5), 100.0);
    assert_eq!(percentile(values, 1.0), 200.0);
    assert_eq!(percentile(vec![7.0], 0.99), 7.0);
    assert!(percentile(Vec::new(), 0.5).is_nan());
}
