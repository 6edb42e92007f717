-- Grouped again from the items of the order system and the vouchers as NAV issued them.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(per_month.used_lcy) AS decimal(38, 4)) AS sum_used_amount_lcy,
    CAST(SUM(per_month.uses) AS bigint) AS sum_times_used,
    CAST(MAX(per_month.last_use) AS datetime) AS max_last_used_at
FROM (
    SELECT
        i.[company],
        v.[Business_Use],
        YEAR(i.[created_at]) AS usage_year,
        MONTH(i.[created_at]) AS usage_month,
        SUM(i.[store_credit_amount]) AS used_lcy,
        COUNT(*) AS uses,
        MAX(i.[created_at]) AS last_use
    FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
    INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
        ON v.[ID_Company] = i.[company] AND v.[Voucher_Code] = i.[store_credit_code]
    INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
        ON co.[Company Code] = i.[company]
    WHERE i.[created_at] < @cutoff
        AND co.[In Consolidation] = 1
        AND v.[Business_Use] IN (@business_uses)
    GROUP BY i.[company], v.[Business_Use], YEAR(i.[created_at]), MONTH(i.[created_at])
) AS per_month
